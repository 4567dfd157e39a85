"""The worker's log: a line per thing that happened, on standard error."""

import logging
import sys
import time

from aiokafka.errors import KafkaError

_THEIRS = ("kafka", "aiokafka", "faust", "mode", "asyncio")
_OURS_OF_MODE = ("streams.consumerthread", "streams.transport", "streams.recovery")
"""What subclasses Faust's services logs each of their steps under its own name."""
QUIET_SECONDS = 60.0
_KINDS = 1_000
"""Errors that are told apart; some libraries put what differs into the text itself."""


def set_up_logging(level: str) -> None:
    """Our own records from `level` on; of the libraries errors alone, and each kind of them at most once a minute."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if level != "debug":
        handler.addFilter(OnceAMinute())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("streams", "agents", "tables"):
        logging.getLogger(name).setLevel(level.upper())
    for name in (*_THEIRS, *_OURS_OF_MODE):
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.ERROR)
    if level != "debug":  # asked before the start alone, where its errors are raised too
        logging.getLogger("kafka").setLevel(logging.CRITICAL)


def hush() -> None:
    """The worker stops: what its libraries say while they are taken apart tells nobody anything."""
    for name in (*_THEIRS, *_OURS_OF_MODE):
        if logging.getLogger(name).level != logging.DEBUG:
            logging.getLogger(name).setLevel(logging.CRITICAL)


class OnceAMinute(logging.Filter):
    """Lets an error of a library pass once a minute, and none that passes by itself.

    aiokafka says every attempt to reach a broker that is away; streams.groupwatch says it once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in _THEIRS:
            return True
        arguments = record.args if isinstance(record.args, tuple) else ()
        if any(isinstance(a, OSError) or (isinstance(a, KafkaError) and a.retriable) for a in arguments):
            return False
        if record.name == "aiokafka" and str(record.msg).startswith("Unable to update metadata"):
            return False
        key, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._passed.get(key, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        if len(self._passed) >= _KINDS:
            self._passed = {kind: at for kind, at in self._passed.items() if now - at < QUIET_SECONDS}
            if len(self._passed) >= _KINDS:
                return False
        self._passed[key] = now
        return True
