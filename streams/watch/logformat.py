"""How lines of the log are written: as text for people, or as JSON, one object a line. No line breaks out of its line.

Fields that go with a line, where they are known: `partition` (a partition number) and `batch` (by source topic, the
offset from which on a batch takes events). Together they name a batch; one that comes again has the same name.
"""

import hashlib
import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

FORMATS = ("text", "json")
FIELDS = ("partition", "batch", "topic", "status", "left_out")
"""What a record may carry besides its text."""
_SECRETS = ("SaslAuthenticate", "SaslBytes")
"""How the clients' requests begin that hold a password or a token; they log every request where the level is debug."""


def about(partition: int, batch: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What `extra` takes, of a line about a partition number, and about its batch from these offsets on."""
    return {"partition": partition, **({"batch": dict(batch)} if batch else {})}


def pseudonym(customer_id: str | bytes) -> str:
    """Stands for a customer where no personal data may be: the same for the same one; `printf %s ID | sha256sum`."""
    raw = customer_id.encode("utf-8", "surrogatepass") if isinstance(customer_id, str) else customer_id
    return hashlib.sha256(raw).hexdigest()[:12]


def harmless(text: str) -> str:
    """Without what a terminal would obey: control characters, line breaks and marks of direction are spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class TextFormatter(logging.Formatter):
    """Time, level, where, what, and the batch. A traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        at = self.formatTime(record)
        line = f"{at} {record.levelname} {record.name}: {harmless(_message(record))}"
        batch = getattr(record, "batch", None)
        if batch:
            line += f" [batch from {', '.join(f'{topic} {offset}' for topic, offset in batch.items())}]"
        if left_out := getattr(record, "left_out", 0):
            line += f" [{left_out} more like it were left out]"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n{harmless(part)}" for part in trace.split("\n"))
        return line


class JsonFormatter(logging.Formatter):
    """An object with `time` (ISO 8601, UTC), `level`, `logger`, `message`, the fields, and `error`, a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told: dict[str, Any] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        told |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)


def _message(record: logging.LogRecord) -> str:
    """The text, without the requests that hold secrets."""
    arguments = record.args
    if isinstance(arguments, tuple) and any(_is_secret(argument) for argument in arguments):
        shown = tuple("(not shown)" if _is_secret(argument) else argument for argument in arguments)
        return str(record.msg) % shown
    return record.getMessage()


def _is_secret(argument: object) -> bool:
    return type(argument).__name__.startswith(_SECRETS)


def last_words(message: str, status: int) -> None:
    """Why the process ends, in one line on standard error: as JSON if the log is, else after `offbeat:`."""
    line = " ".join(message.split())
    handlers = logging.getLogger().handlers
    if any(isinstance(handler.formatter, JsonFormatter) for handler in handlers):
        record = logging.LogRecord("offbeat", logging.CRITICAL, "", 0, "%s", (line,), None)
        record.status = status
        text = JsonFormatter().format(record)
    else:
        text = f"offbeat: {harmless(line)}"
    print(text, file=sys.stderr, flush=True)
