"""Logs in files for tests: events and rows written down, read back, packed."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from streams.flow.decode import decoder
from streams.logs import Log, read_log

HEADER = "customer_id,event_time,event_type,order_id,product_id,category,quantity,amount,currency\n"
DAY = 86_400_000
T0 = 1_700_000_000_000
WALL = T0 + 1000 * DAY
Write = Callable[..., Path]
"""Of a fixture: (name, content) to the file."""


def event(kind: str, customer: str, at: object, **fields: object) -> bytes:
    """A line of JSON lines: an event with what its type needs, and with these fields."""
    needed: dict[str, dict[str, object]] = {"product.viewed": {"product_id": "p"}, "order.cancelled": {"order_id": "o"}}
    return json.dumps(
        {"type": kind, "event_id": f"{kind}-{at}", "customer_id": customer, "occurred_at": at}
        | needed.get(kind, {})
        | fields
    ).encode()


def values(log: Log) -> list[dict[str, Any]]:
    """The events of a log, in its order."""
    return [json.loads(line.value) for line in log.lines()]


def row_values(write: Write, *rows: str) -> tuple[list[dict[str, Any]], Log]:
    """The events that rows of a table become, and the log."""
    log = read_log(write("log.csv", HEADER + "".join(f"{row}\n" for row in rows)), wall=WALL)
    return values(log), log


def check_valid(log: Log) -> None:
    """Every line is an event that the worker takes, with the times that the line says."""
    for line in log.lines():
        _, at = decoder(line.source)(line.key, line.value, WALL)
        assert at == line.at <= line.effective


def packed(name: str, content: bytes) -> bytes:
    """Compressed as the end of the name says."""
    if name.endswith(".gz"):
        return gzip.compress(content)
    if name.endswith(".zst"):
        squeezed: bytes = pa.compress(content, codec="zstd", asbytes=True) if content else b""
        return squeezed
    return content
