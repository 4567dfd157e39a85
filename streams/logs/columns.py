"""Columns of a table, as they come from CSV or Parquet, to text, numbers and times."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.flow.decode import EARLIEST
from streams.logs.model import LogError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
_UNREADABLE = np.iinfo(np.int64).min


def text(table: pa.Table, name: str) -> Any:
    """A column as one string array; null where empty or absent. Integers keep their digits. Raises LogError."""
    column = _plain(table[name])
    kind = column.type
    if pa.types.is_floating(kind):  # what pandas makes of integers when some are missing
        column = pc.if_else(pc.is_nan(column), None, column)
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid:
            raise LogError(f"the column {name} holds numbers with fractions; wanted is text") from None
    elif not (_is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise LogError(f"the column {name} holds {kind}; wanted is text")
    column = column.cast(pa.string())
    return pc.if_else(pc.equal(column, ""), None, column)


def numbers(table: pa.Table, name: str) -> tuple[Floats, Mask]:
    """A column as floats, NaN where absent, and where something stands that is no finite number. Raises LogError."""
    column = _plain(table[name])
    kind = column.type
    if _is_text(kind):
        coded = column.dictionary_encode()
        parsed = np.array([*map(_number, coded.dictionary.to_pylist()), np.nan])
        values = parsed[_codes(coded)]
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    else:
        raise LogError(f"the column {name} holds {kind}; wanted are numbers")
    bad = np.isinf(values)
    return np.where(bad, np.nan, values), bad


def times(table: pa.Table, name: str) -> tuple[Ints, Mask]:
    """A column as epoch milliseconds, and where there is no time that can be read. Raises LogError."""
    column = _plain(table[name])
    kind = column.type
    if _is_text(kind):
        coded = column.dictionary_encode()
        parsed = np.array([*map(_moment, coded.dictionary.to_pylist()), _UNREADABLE], dtype=np.int64)
        values = parsed[_codes(coded)]
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # a time without a zone is UTC
        column = column.cast(pa.timestamp("ms", getattr(kind, "tz", None)), safe=False)
        values = _integers(column)
    elif pa.types.is_integer(kind) or pa.types.is_null(kind):
        values = _integers(column)
    else:
        raise LogError(f"the column {name} holds {kind}; wanted is ISO 8601, a timestamp or epoch milliseconds")
    return values, values == _UNREADABLE


def out_of_range(value: int, latest: int) -> str:
    """Why a time (epoch ms) outside of 1990 to `latest` is refused."""
    if value < EARLIEST:
        return f"event_time {value} lies before 1990 (milliseconds are wanted, not seconds)"
    limit = datetime.fromtimestamp(latest / 1000, UTC)
    return f"event_time {value} (epoch ms) lies more than an hour ahead, after {limit:%Y-%m-%d %H:%M} UTC"


def codes_of(column: Any) -> tuple[Ints, list[str]]:
    """A string array as numbers of its values, -1 for null, and the values."""
    coded = column.dictionary_encode()
    return _codes(coded), coded.dictionary.to_pylist()


def _integers(column: Any) -> Ints:
    whole = column.cast(pa.int64(), safe=False)
    values: Ints = pc.fill_null(whole, _UNREADABLE).to_numpy(zero_copy_only=False)
    return values


def _codes(coded: Any) -> Ints:
    values: Ints = pc.fill_null(coded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return values


def _number(written: str) -> float:
    """NaN: nothing there (pandas writes nan); infinite: not a number."""
    if not written.strip() or "_" in written:
        return np.inf if written.strip() else np.nan
    try:
        return float(written)
    except ValueError:
        return np.inf


def _moment(written: str) -> int:
    """Epoch ms of ISO 8601 or of epoch ms; without an offset it is UTC."""
    written = written.strip()
    if written.isdecimal() and len(written) != len("19970101"):
        return int(written) if len(written) < 19 else _UNREADABLE
    try:
        moment = datetime.fromisoformat(written)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return _UNREADABLE


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain(column: Any) -> Any:
    """One array instead of chunks, without dictionary encoding."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
