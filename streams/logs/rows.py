"""The rows of a table, checked one by one and put in order of time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streams.flow.decode import EARLIEST
from streams.logs.columns import Floats, Ints, Mask, codes_of, numbers, out_of_range, text, times
from streams.logs.refusals import Refusals

PURCHASE, ADD, REMOVE, VIEW, REFUND = range(5)
KINDS = ("purchase", "add_to_cart", "remove_from_cart", "view", "refund")
"""What event_type may say, in the order of the numbers above."""
_LONGEST_ID = 480
"""Characters; the contract allows 512, and event ids are made from these with something before them."""
_LONGEST_LABEL = 512
_LONGEST_CURRENCY = 8
_LARGEST_AMOUNT = 1e12
_LARGEST_QUANTITY = 1e9


@dataclass
class Rows:
    """Columns of equal length in order of event time, rows of the same time in the order of the file."""

    index: Ints
    """Of each row in the table as it was read."""
    number: Ints
    """Of each row in the file."""
    at: Ints
    """Epoch milliseconds."""
    kind: Ints
    """Index into KINDS."""
    amount: Floats
    """The row's total; NaN: unknown."""
    quantity: Floats
    """NaN: unknown (absent, zero or negative)."""
    customer: Any
    """String arrays, null where absent; also the four below."""
    order: Any
    product: Any
    category: Any
    currency: Any


def check_rows(table: pa.Table, row_numbers: Ints, refusals: Refusals, latest: int) -> Rows:
    """Refuse what cannot be understood and sort the rest. Raises LogError, without the file's name."""
    kind, kind_names = _kinds(table)
    refusals.refuse(kind < 0, lambda i: f"event_type {_show(kind_names, i)} is none of {', '.join(KINDS)}")
    at, unreadable = times(table, "event_time")
    written = table["event_time"]
    refusals.refuse(unreadable, lambda i: f"event_time {_show(written, i)} is neither ISO 8601 nor epoch milliseconds")
    refusals.refuse((at < EARLIEST) | (at > latest), lambda i: out_of_range(int(at[i]), latest))
    texts = {name: _checked_text(table, name, refusals) for name in ("customer_id", "order_id", "product_id")}
    texts |= {"category": _checked_text(table, "category", refusals, _LONGEST_LABEL)}
    texts |= {"currency": _checked_text(table, "currency", refusals, _LONGEST_CURRENCY)}
    _check_needs(texts, kind, refusals)
    quantity = _checked_number(table, "quantity", _LARGEST_QUANTITY, refusals)
    amount = _checked_number(table, "amount", _LARGEST_AMOUNT, refusals)

    index = np.flatnonzero(~refusals.refused)
    if len(index) and np.any(np.diff(at[index]) < 0):
        index = index[np.argsort(at[index], kind="stable")]
    taken = pa.array(index)
    return Rows(
        index,
        row_numbers[index],
        at[index],
        kind[index],
        amount[index],
        np.where(quantity > 0, quantity, np.nan)[index],
        *(texts[name].take(taken) for name in texts),
    )


def _kinds(table: pa.Table) -> tuple[Ints, Any]:
    names = text(table, "event_type")
    codes, values = codes_of(names)
    known = np.array([*(KINDS.index(value) if value in KINDS else -1 for value in values), -1], dtype=np.int64)
    return known[codes], names


def _check_needs(texts: dict[str, Any], kind: Ints, refusals: Refusals) -> None:
    refusals.refuse(_missing(texts["customer_id"]), lambda _: "no customer_id")
    nul = pc.fill_null(pc.match_substring(texts["customer_id"], "\0"), fill_value=False)
    refusals.refuse(nul.to_numpy(zero_copy_only=False), lambda _: "customer_id holds a NUL character")
    refusals.refuse((kind == REFUND) & _missing(texts["order_id"]), lambda _: "a refund without an order_id")
    about_product = (kind == ADD) | (kind == REMOVE) | (kind == VIEW)
    refusals.refuse(about_product & _missing(texts["product_id"]), lambda i: f"{KINDS[kind[i]]} without a product_id")


def _checked_text(table: pa.Table, name: str, refusals: Refusals, longest: int = _LONGEST_ID) -> Any:
    column = text(table, name)
    long = pc.fill_null(pc.greater(pc.utf8_length(column), longest), fill_value=False)
    refusals.refuse(long.to_numpy(zero_copy_only=False), lambda _: f"{name} is longer than {longest} characters")
    return column


def _checked_number(table: pa.Table, name: str, largest: float, refusals: Refusals) -> Floats:
    values, bad = numbers(table, name)
    written = table[name]
    refusals.refuse(bad, lambda i: f"{name} {_show(written, i)} is not a number")
    refusals.refuse(np.abs(values) > largest, lambda i: f"{name} {_show(written, i)} is beyond {largest:.0e}")
    return values


def _missing(column: Any) -> Mask:
    mask: Mask = pc.is_null(column).to_numpy(zero_copy_only=False)
    return mask


def _show(column: Any, index: int) -> str:
    value = column[index].as_py()
    return "(empty)" if value is None else repr(value)[:80]
