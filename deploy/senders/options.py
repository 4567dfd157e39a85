"""Settings of the senders, from options or the environment.

Option `--smtp-user` of the sender MAIL is `MAIL_SMTP_USER` in the environment; an option wins. Secrets are never
options, which every process list shows: they are in the environment, or in a file that `..._FILE` names there.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from errors import UsageError

ORDERS = ("at_least_once", "at_most_once")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration(text: str) -> float:
    """`"5m"` in seconds; the units are s, m, h and d."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError('give a number and a unit, as in "30s", "5m", "2h" or "1d"')
    return float(int(found[1]) * _UNITS[found[2]])


def names(text: str) -> frozenset[str]:
    """Comma separated."""
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError("give a whole number, 1 or more")
    return int(text)


def one_of(*words: str) -> Callable[[str], str]:
    """What accepts these alone."""

    def read(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"give {' or '.join(words)}")
        return text

    return read


class Settings(argparse.ArgumentParser):
    """The options of a sender. Each may be in the environment too; what is wrong is told in one line, exit status 2."""

    def __init__(self, stem: str, what: str, *, delay: str = "5m", lease: str = "60s") -> None:
        """`stem`: what the variables begin with; in lower case the name of the consumer group."""
        super().__init__(description=what)
        self.stem, group = stem, f"{stem.lower()}-sender"
        self.setting("--brokers", "127.0.0.1:9092", "host:port, comma separated", variable="OFFBEAT_BROKERS")
        self.setting("--prefix", "", "of topics and group", variable="OFFBEAT_PREFIX")
        self.setting("--group", group, "the consumer group of all senders that share this work")
        self.setting("--session", "10s", "until a sender that is gone is replaced", kind=duration)
        self.setting("--types", None, "the trigger types that this sender sends, comma separated; all", kind=names)
        self.setting("--delay", delay, "how long a trigger waits for its cancellation", kind=duration)
        self.setting("--held", "10000", "how many messages wait in memory at the most", kind=count)
        self.setting("--attempts", "8", "after so many a trigger goes to the dead letters", kind=count)
        self.setting("--dead-letters", f"{group}.dead-letters", "the topic of what cannot be sent; made at the start")
        self.setting("--redis", None, "URL of a Redis server for the ids of what was sent, or:", kind=redis_url)
        self.setting("--table", f"{group}.db", "a file of SQLite for them, for senders on one machine")
        self.setting("--lease", lease, "more than sending one can take", kind=duration)
        self.setting("--order", "at_least_once", "what a crash in between does: see README.md", kind=one_of(*ORDERS))
        self.setting("--metrics", None, "host:port where Prometheus asks, such as 127.0.0.1:9465; none")
        self.add_argument("--verbose", action="store_true", help="say what became of each message")

    def setting(
        self,
        option: str,
        default: str | None,
        what: str,
        *,
        kind: Callable[[str], Any] = str,
        variable: str = "",
    ) -> None:
        """An option with a value; `default` None: there need be none."""
        variable = variable or f"{self.stem}{option[1:].replace('-', '_')}".upper()
        found = os.environ.get(variable, default)
        self.add_argument(option, default=found, type=kind, help=f"{what} [{variable}]")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def redis_url(text: str) -> str:
    """From the command line without a password; the environment may have one."""
    if urlsplit(text).password and any(text in argument for argument in sys.argv):
        raise argparse.ArgumentTypeError("every process list shows its password: set it in the environment instead")
    return text


def secret(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The secret in the variable `name`, or in the file that `name`_FILE names; None: in neither. UsageError."""
    text, file = environ.get(name), environ.get(f"{name}_FILE")
    if file is None:
        return text or None
    if text:
        raise UsageError(f"{name} and {name}_FILE are both set: unset one")
    try:
        found = Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise UsageError(f"{name}_FILE: {file} cannot be read: {why}; give a readable file") from None
    if not found:
        raise UsageError(f"{name}_FILE: {file} is empty; write the secret into it")
    return found
