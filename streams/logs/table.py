"""A flat table, CSV or Parquet, to a log."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from streams.logs.columns import Ints
from streams.logs.events import blocks
from streams.logs.files import LogFile, Progress
from streams.logs.model import Log, LogError
from streams.logs.orders import arrange
from streams.logs.refusals import Refusals
from streams.logs.rewrite import Changes
from streams.logs.rows import check_rows

NEEDED = ("customer_id", "event_time", "event_type")
OPTIONAL = ("order_id", "product_id", "category", "quantity", "amount", "currency")
_COLUMNS = (*NEEDED, *OPTIONAL)
_BLOCK = 8 << 20
"""Bytes; no row may be longer."""


def read_table(
    path: Path,
    form: Literal["csv", "parquet"],
    compression: str | None,
    changes: Changes,
    latest: int,
    progress: Progress,
) -> Log:
    """Read and check the whole file; `latest` (epoch ms) bounds event times. Use it inside `errors_of`.

    Raises LogError. The columns stay in memory; reading takes up to 500 bytes a row.
    """
    skipped: list[tuple[int, str]] = []
    table = _csv(path, compression, skipped, progress) if form == "csv" else _parquet(path, compression)
    progress(0.9)
    numbers = _numbers(table.num_rows, skipped)
    refusals = Refusals(numbers, skipped)
    try:
        rows = check_rows(table, numbers, refusals, latest)
    except LogError as exc:
        raise LogError(f"{path}: {exc}") from None
    del table
    events = arrange(rows, refusals)
    span = (int(events.at[0]), int(events.at[-1])) if len(events.at) else None
    shift = changes.shift(span)
    return Log(
        str(path),
        total=len(events.at),
        rejected=refusals.summary(),
        span=span and (span[0] + shift, span[1] + shift),
        produce=partial(blocks, rows, events, shift=shift, backfill=changes.backfill),
    )


def _csv(path: Path, compression: str | None, skipped: list[tuple[int, str]], progress: Progress) -> pa.Table:
    _check_names(path, _csv_names(path, compression))
    wanted = pa.schema([(name, pa.string()) for name in _COLUMNS])

    def skip(row: Any) -> str:
        hint = "; is a quote not closed?" if "\n" in row.text else ""
        skipped.append((row.number - 1, f"{row.actual_columns} values instead of {row.expected_columns}{hint}"))
        return "skip"

    with LogFile(path, compression) as file:
        reader = _open_csv(
            file,
            pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            # as text: customer 00001 is not customer 1
            pyarrow.csv.ConvertOptions(
                column_types=wanted, include_columns=_COLUMNS, include_missing_columns=True, strings_can_be_null=True
            ),
        )
        batches = []
        for batch in reader:
            batches.append(batch)
            progress(file.progress * 0.9)
    return pa.Table.from_batches(batches, wanted)


def _csv_names(path: Path, compression: str | None) -> list[str]:
    with LogFile(path, compression) as file:
        try:
            parse = pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
            with _open_csv(file, parse) as reader:
                return list(reader.schema.names)
        except pa.ArrowInvalid as exc:
            if "Empty CSV" in str(exc):
                raise LogError(f"{path}: no header and rows; wanted are {_wanted()}") from None
            raise


def _open_csv(file: LogFile, parse: Any, convert: Any = None) -> Any:
    # one thread: only then do the rows that are skipped come with their numbers
    read = pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK)
    return pyarrow.csv.open_csv(file.stream, read, parse, convert)


def _parquet(path: Path, compression: str | None) -> pa.Table:
    with LogFile(path, compression) as file:
        # a Parquet file is read from its end, which a compressed stream cannot do
        source = pa.BufferReader(file.stream.read()) if compression else file.stream
        parquet = pyarrow.parquet.ParquetFile(source)
        names = parquet.schema_arrow.names
        _check_names(path, names)
        table = parquet.read([name for name in names if name in _COLUMNS])
    for name in _COLUMNS:
        if name not in names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table


def _check_names(path: Path, names: list[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing:
        found = ", ".join(repr(name[:40]) for name in names[:12])
        raise LogError(f"{path}: no column {', '.join(missing)}; wanted are {_wanted()}; found are {found}")
    twice = [name for name in _COLUMNS if names.count(name) > 1]
    if twice:
        raise LogError(f"{path}: the column {twice[0]} is there twice")


def _wanted() -> str:
    return f"{', '.join(NEEDED)} and, where known, {', '.join(OPTIONAL)}"


def _numbers(count: int, skipped: list[tuple[int, str]]) -> Ints:
    """The number of each row in the file, from 1, without the header and empty lines."""
    everything = np.arange(1, count + len(skipped) + 1)
    return np.delete(everything, [number - 1 for number, _ in skipped]) if skipped else everything
