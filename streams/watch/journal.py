"""The worker's log: a line per thing that happened, on standard error."""

import logging
import sys

from streams.watch.logfilters import THEIRS, NoFlood, OnceAMinute
from streams.watch.logformat import JsonFormatter, TextFormatter

_OURS_OF_MODE = ("streams.group.consumerthread", "streams.group.transport", "streams.group.recovery")
"""What subclasses Faust's services logs each of their steps under its own name."""


def set_up_logging(level: str, form: str = "text") -> None:
    """Our own records from `level` on; of the libraries errors alone, and each kind of them at most once a minute.

    `form`: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    if level != "debug":
        handler.addFilter(OnceAMinute())
        handler.addFilter(NoFlood())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("streams", "agents", "tables"):
        logging.getLogger(name).setLevel(level.upper())
    for name in (*THEIRS, *_OURS_OF_MODE):
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.ERROR)
    # kafka-python is asked before the start alone, where its errors are raised too; at debug it logs the very bytes
    # that it sends, passwords among them
    logging.getLogger("kafka").setLevel(logging.INFO if level == "debug" else logging.CRITICAL)


def hush() -> None:
    """The worker stops: what its libraries say while they are taken apart tells nobody anything."""
    for name in (*THEIRS, *_OURS_OF_MODE):
        if logging.getLogger(name).level > logging.INFO:
            logging.getLogger(name).setLevel(logging.CRITICAL)
