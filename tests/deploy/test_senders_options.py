"""Settings of the senders as processes: what is wrong is one line and status 2, secrets are shown nowhere."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from errors import UsageError
from options import secret
from running import kafka_security
from streams.brokers.embedded import EmbeddedBroker, free_port
from tests.support.posts import Answer, Posts
from tests.support.sending import SENDERS, Sender, tell, trigger
from tests.support.workers import deploy

CUSTOMERS = "customer_id,email,phone\nann,ann@example.com,+4915112345678\n"
MAIL = (
    "--from",
    "Shop <hello@shop.example>",
    "--addresses",
    "c.csv",
    "--unsubscribe",
    "https://shop.example/{customer_id}",
)
SMS = ("--url", "http://127.0.0.1:9/", "--addresses", "c.csv")
SIGNED = {"WEBHOOK_SECRET": "whsec_" + "A" * 32}


def run(folder: Path, program: str, *options: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit status, and all that was said."""
    (folder / "c.csv").write_text(CUSTOMERS)
    done = subprocess.run(
        [sys.executable, str(SENDERS / program), *options],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("program", "options", "environ", "why"),
    [
        ("print_sender.py", ("--delay", "5"), {}, 'argument --delay: give a number and a unit, as in "30s"'),
        ("print_sender.py", (), {"PRINT_HELD": "0"}, "argument --held: give a whole number, 1 or more"),
        ("print_sender.py", ("--order", "twice"), {}, "argument --order: give at_least_once or at_most_once"),
        ("print_sender.py", ("--redis", "redis://:hidden@host/0"), {}, "every process list shows its password"),
        ("mail_sender.py", (), {}, "--addresses is missing"),
        ("mail_sender.py", ("--addresses", "c.csv"), {}, "--from: give the sender's address"),
        ("mail_sender.py", (*MAIL, "--unsubscribe", "https://shop.example/"), {}, "--unsubscribe: put {customer_id}"),
        ("mail_sender.py", (*MAIL, "--smtp", "mail"), {}, "--smtp: give host:port"),
        ("mail_sender.py", (*MAIL, "--smtp-user", "shop"), {}, "belong together"),
        ("mail_sender.py", MAIL, {"MAIL_PASSWORD": "hidden"}, "belong together"),
        (
            "mail_sender.py",
            (*MAIL, "--smtp-user", "shop", "--smtp-security", "none", "--smtp", "mail.example:25"),
            {"MAIL_PASSWORD": "hidden"},
            "would send the password in the clear",
        ),
        ("mail_sender.py", (*MAIL, "--templates", "nowhere"), {}, "nowhere holds no templates"),
        ("mail_sender.py", (*MAIL, "--preview", "c.csv"), {}, "c.csv:1: the value is not JSON"),
        ("webhook_sender.py", ("--url", "https://host/"), {}, "WEBHOOK_SECRET_FILE or WEBHOOK_SECRET is missing"),
        ("webhook_sender.py", (), SIGNED, "--url: give a URL"),
        ("webhook_sender.py", ("--url", "https://u:hidden@host/"), SIGNED, "the URL holds a password"),
        ("webhook_sender.py", ("--url", "https://host/"), {"WEBHOOK_SECRET": "hidden"}, "base64 of 24 to 64 bytes"),
        ("sms_sender.py", (*SMS, "--field", "to"), {}, "--field: give NAME=VALUE"),
        ("sms_sender.py", (*SMS, "--body", "xml"), {}, "argument --body: give json or form"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, program: str, options: tuple[str, ...], environ: dict[str, str], why: str
) -> None:
    status, told = run(tmp_path, program, *options, environ=environ)
    assert (status, told.count("\n")) == (2, 1), told
    assert told.startswith(f"{program}: ")
    assert why in told
    assert "hidden" not in told


def test_brokers_that_are_not_there(tmp_path: Path) -> None:
    status, told = run(tmp_path, "print_sender.py", "--brokers", f"127.0.0.1:{free_port()}")
    assert (status, told.count("\n")) == (1, 1), told
    assert told.startswith("print_sender.py: KafkaTimeoutError: Unable to bootstrap from")


def test_topics_that_are_not_there(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    where = ("--brokers", embedded_broker.address, "--prefix", "nobody.")
    status, told = run(tmp_path, "print_sender.py", *where)
    assert status == 2
    assert "topic nobody.triggers.repurchase is not there" in told
    environ = {"OFFBEAT_TOPIC_TRIGGERS_REPURCHASE": "renamed"}
    assert "topic nobody.renamed is not there" in run(tmp_path, "print_sender.py", *where, environ=environ)[1]
    assert "`offbeat topics create` makes it" in told


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hidden\n")
    assert secret("X", {"X": "hidden"}) == "hidden"
    assert secret("X", {"X_FILE": str(file)}) == "hidden"
    assert secret("X", {"X": ""}) is None
    for environ, why in (
        ({"X": "hidden", "X_FILE": str(file)}, "X and X_FILE are both set"),
        ({"X_FILE": str(tmp_path / "none")}, "cannot be read: No such file"),
        ({"X_FILE": os.devnull}, "is empty"),
    ):
        with pytest.raises(UsageError, match=why) as raised:
            secret("X", environ)
        assert "hidden" not in str(raised.value)


def test_the_workers_way_to_the_brokers_is_the_senders() -> None:
    assert kafka_security({}) == {"security_protocol": "PLAINTEXT"}
    found = kafka_security(
        {
            "OFFBEAT_SECURITY_PROTOCOL": "SASL_SSL",
            "OFFBEAT_SECURITY_MECHANISM": "SCRAM-SHA-512",
            "OFFBEAT_SECURITY_USER": "sender",
            "OFFBEAT_SECURITY_PASSWORD": "hidden",
        }
    )
    assert found.pop("ssl_context").check_hostname
    assert found == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "sender",
        "sasl_plain_password": "hidden",
    }
    with pytest.raises(UsageError, match="OFFBEAT_SECURITY_CA"):
        kafka_security({"OFFBEAT_SECURITY_PROTOCOL": "SSL", "OFFBEAT_SECURITY_CA": os.devnull + "/none"})
    with pytest.raises(UsageError, match="OFFBEAT_SECURITY_PROTOCOL: give PLAINTEXT, SSL"):
        kafka_security({"OFFBEAT_SECURITY_PROTOCOL": "TLS"})
    with pytest.raises(UsageError, match="set MECHANISM"):
        kafka_security({"OFFBEAT_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "OFFBEAT_SECURITY_MECHANISM": "GSSAPI"})


def test_secrets_and_customers_are_shown_nowhere(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Not in what it says, whatever goes wrong, and not in the list of processes."""
    to = deploy(embedded_broker)
    (tmp_path / "c.csv").write_text(CUSTOMERS)
    statuses = iter([429, 500, 400, 401])
    environ = {"SMS_AUTHORIZATION": "Bearer hidden", "SMS_SECRET": "whsec_" + "hidden" * 8}
    with Posts(lambda _request: Answer(next(statuses), {"Retry-After": "0"})) as server:
        options = ("--url", server.url, "--addresses", str(tmp_path / "c.csv"), "--delay", "0s")
        with Sender(to, "sms_sender.py", *options, "--table", str(tmp_path / "ids.db"), environ=environ) as sender:
            tell(to, trigger("ann"), trigger("ann", kind="basket.grown"))
            line = Path(f"/proc/{sender.process.pid}/cmdline").read_text()
            assert sender.wait() == 2
            assert "does not take our credentials" in sender.told
            (letter,) = sender.dead_letters("sms-sender.dead-letters")
            told = sender.told + line
    assert letter.headers["offbeat_reason"] == b"HTTP status 400"
    assert "hidden" not in told
    assert "+49151" not in told
    assert all(request.headers["authorization"] == "Bearer hidden" for request in server.requests)
