"""What keeps the log readable in trouble: nothing is said again and again."""

import logging
import time
from collections.abc import Callable

from aiokafka.errors import KafkaError

THEIRS = ("kafka", "aiokafka", "faust", "mode", "asyncio")
QUIET_SECONDS = 60.0
LINES = 10
"""Of one kind, about one partition number, that pass in that time."""
_KINDS = 1_000
"""Kinds that are told apart; some libraries put what differs into the text itself."""

Kind = tuple[str, str, object]


def _kind(record: logging.LogRecord) -> Kind:
    return record.name, str(record.msg), getattr(record, "partition", None)


class OnceAMinute(logging.Filter):
    """Lets an error of a library pass once a minute, and none that passes by itself.

    aiokafka says every attempt to reach a broker that is away; streams.group.groupwatch says it once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[Kind, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in THEIRS:
            return True
        arguments = record.args if isinstance(record.args, tuple) else ()
        if any(isinstance(a, OSError) or (isinstance(a, KafkaError) and a.retriable) for a in arguments):
            return False
        if record.name == "aiokafka" and str(record.msg).startswith("Unable to update metadata"):
            return False
        key, now = _kind(record), time.monotonic()
        if now - self._passed.get(key, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        if len(self._passed) >= _KINDS:
            self._passed = {kind: at for kind, at in self._passed.items() if now - at < QUIET_SECONDS}
            if len(self._passed) >= _KINDS:
                return False
        self._passed[key] = now
        return True


class NoFlood(logging.Filter):
    """Lets so many of our own lines of a kind pass a minute; the next that passes tells how many were left out.

    Their kinds are few: a text of the code, and a partition number.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._minutes: dict[Kind, tuple[float, int]] = {}
        """When its minute began, and how many came in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] in THEIRS:
            return True
        kind, now = _kind(record), self._clock()
        began, count = self._minutes.get(kind, (now, 0))
        if now - began >= QUIET_SECONDS:
            if count > LINES:
                record.left_out = count - LINES
            began, count = now, 0
        self._minutes[kind] = began, count + 1
        return count < LINES
