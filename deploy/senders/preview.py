"""The mails of some triggers, to look at: to files or to the terminal. Nothing is sent."""

import json
from collections.abc import Iterator
from pathlib import Path

from addresses import Customer
from errors import UsageError
from mails import Composer, clean
from message import Message, NoTriggerError, parse
from once import NotSentError


class Anybody:
    """An address for everybody, for previews without addresses."""

    def find(self, customer_id: str) -> Customer:
        return {"customer_id": customer_id, "email": "customer@shop.example"}


def preview(composer: Composer, file: Path, out: Path | None) -> None:
    """The mails of a file's triggers: as `*.eml` in the folder `out`, else heads and texts on the terminal.

    What gets no mail is told on the terminal. Raises UsageError and OSError.
    """
    if out:
        out.mkdir(parents=True, exist_ok=True)
    for message in triggers(file):
        try:
            mail = composer.compose(message, message.fired_at)
        except NotSentError as error:
            print(f"--- {message.type} {message.trigger_id}: no mail: {error}\n")
            continue
        if out:
            (out / f"{message.type}-{message.trigger_id}.eml").write_bytes(mail.data)
        else:
            head = mail.data.partition(b"\r\n\r\n")[0].decode("ascii").replace("\r\n", "\n")
            print(f"--- {message.type}\n{head}\n\n{clean(mail.text)}")


def triggers(file: Path) -> Iterator[Message]:
    """Those of a file of JSON lines, as `offbeat backtest --triggers` writes them; no cancellations. UsageError."""
    with file.open("rb") as rows:
        for number, row in enumerate(rows, 1):
            try:
                message = parse(row.strip(), _headers(row))
            except NoTriggerError as error:
                raise UsageError(f"{file}:{number}: {error}; give the file of offbeat backtest --triggers") from None
            if not message.cancels:
                yield message


def _headers(row: bytes) -> list[tuple[str, bytes]]:
    """Those that the message would have."""
    try:
        data = json.loads(row)
        return [("ce_type", str(data["type"]).encode()), ("ce_id", str(data["trigger_id"]).encode())]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
