"""The page about the senders: its commands work as they stand, but for the hosts in them; its tables are complete."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.brokers.embedded import EmbeddedBroker
from tests.support.mailbox import Mailbox
from tests.support.posts import Posts
from tests.support.sending import SENDERS, Sender, tell, trigger
from tests.support.workers import deploy

PAGE = (SENDERS / "README.md").read_text()
CUSTOMERS = "customer_id,email,phone\nann,ann@example.com,+4915112345678\n"


def commands() -> Iterator[str]:
    """Those of the page, each as one line."""
    lines = "\n".join(line[4:] for line in PAGE.splitlines() if line.startswith("    "))
    yield from lines.replace("\\\n", " ").splitlines()


SENDING = [command for command in commands() if "_sender.py" in command and "--preview" not in command]


def test_all_are_here() -> None:
    assert {re.findall(r"\w+_sender\.py", command)[0] for command in SENDING} == {
        path.name for path in SENDERS.glob("*_sender.py")
    }


@pytest.mark.parametrize("command", SENDING)
def test_what_sends_sends(embedded_broker: EmbeddedBroker, tmp_path: Path, command: str) -> None:
    to = deploy(embedded_broker, partitions="1")
    customers, secret = tmp_path / "customers.csv", tmp_path / "webhook.secret"
    customers.write_text(CUSTOMERS)
    make = next(line for line in commands() if line.startswith("openssl"))
    subprocess.run(["bash", "-c", make], cwd=tmp_path, check=True)
    program = re.findall(r"\w+_sender\.py", command)[0]
    options = shlex.split(command.partition(program)[2].replace("customers.csv", str(customers)))
    environ = {"WEBHOOK_SECRET_FILE": str(secret), "MAIL_UNSUBSCRIBE_SECRET": "hidden"}
    with Mailbox() as box, Posts() as server:
        here = {
            "mail_sender.py": ("--smtp", box.address, "--smtp-security", "none"),
            "print_sender.py": ("--brokers", to.settings.brokers),
        }.get(program, ("--url", server.url))
        with Sender(to, program, *options, *here, "--delay", "0s", environ=environ) as sender:
            tell(to, trigger("ann"))
            sender.wait_told(": sent\n")
            assert sender.stop() == 0
        assert len(box.mails) + len(server.requests) == (program != "print_sender.py")


def test_the_preview_previews(tmp_path: Path) -> None:
    (command,) = (line for line in commands() if "--preview" in line)
    arguments = shlex.split(command)
    assert arguments.pop(0) == "python"
    arguments[0] = str(SENDERS / arguments[0])
    arguments[arguments.index("--preview") + 1] = str(SENDERS / "templates" / "examples.jsonl")
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((tmp_path / "mails").glob("*.eml"))) == 16
    del arguments[arguments.index("--out") : arguments.index("--out") + 2]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.count("\nList-Unsubscribe: <https://shop.example/stop?c=ann>\n") == 16
    assert "--- cart.abandoned\n" in done.stdout


def test_every_secret_is_listed() -> None:
    """All that the code asks for, and no other."""
    code = "".join(path.read_text() for path in SENDERS.glob("*.py"))
    asked = set(re.findall(r"\"((?:MAIL|SMS|WEBHOOK)_[A-Z_]+)\"", code))
    section = PAGE.split("\n## Settings\n", 1)[1].split("\n## ", 1)[0]
    listed = set(re.findall(r"`((?:MAIL|SMS|WEBHOOK)_[A-Z_]+)`", "".join(re.findall(r"^\|.*", section, re.MULTILINE))))
    assert listed - {"MAIL_REDIS", "SMS_REDIS", "WEBHOOK_REDIS"} == asked
