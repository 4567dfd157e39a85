"""What the memory of a customer is made of, counted in this process; the same objects as in a worker."""

import sys
import tracemalloc
from collections.abc import Sequence
from statistics import fmean

import msgspec
from msgspec import Struct

from tables.customerform import BODY, unpack
from tables.states import States
from tests.bench.customers import everybody

_SAMPLE = 500_000
"""Customers at the most whose timers are counted."""
_FETCH = 10_000
"""Records that recovery takes in at once, about."""


class Parts(Struct):
    """Bytes per customer, on the average."""

    sections: dict[str, float]
    """Of the packed state, by field; `head`: version, plan and wake."""
    packed: float
    """All of them."""
    value: float
    """The object that holds the packed state."""
    key: float
    """The object that holds the customer's id."""
    table: float
    """The dictionary of the states, without its keys and values."""
    timers: float
    """Their entries, where every customer with something to wait for has one."""

    @property
    def total(self) -> float:
        return self.value + self.key + self.table + self.timers


def sections(packed: Sequence[bytes]) -> dict[str, float]:
    """Bytes of each field of the packed states, on the average; the fields of all add up to what is packed."""
    encode = msgspec.msgpack.Encoder().encode
    sums: dict[str, int] = {}
    for state in packed:
        customer = unpack(state)
        customer.wake = 0
        sums["head"] = sums.get("head", 0) + BODY + 1  # and the beginning of the array
        for name in customer.__struct_fields__:
            sums[name] = sums.get(name, 0) + len(encode(getattr(customer, name)))
    return {name: total / len(packed) for name, total in sums.items()}


def parts_of(packed: Sequence[bytes], customers: int, plan: int) -> Parts:
    """Of a partition with so many customers of these states, planned by `plan`."""
    return Parts(
        sections=sections(packed),
        packed=fmean(map(len, packed)),
        value=fmean(map(_allocated, packed)),
        key=_allocated(next(everybody(packed, 1))[0]),
        table=_table(customers),
        timers=_timers(packed, min(customers, _SAMPLE), plan),
    )


def _table(customers: int) -> float:
    """Of a dictionary that has grown as that of the states does, whose size depends on where it stands in growing."""
    table: dict[int, None] = {}
    for begin in range(0, customers, _FETCH):
        table.update(dict.fromkeys(range(begin, min(begin + _FETCH, customers))))
    return sys.getsizeof(table) / customers


def _timers(packed: Sequence[bytes], customers: int, plan: int) -> float:
    states = States(plan)
    states.restore(dict(everybody(packed, customers)))
    tracemalloc.start()
    try:
        states.ready()
        return tracemalloc.get_traced_memory()[0] / customers
    finally:
        tracemalloc.stop()


def _allocated(value: bytes) -> int:
    """With its header, in the steps in which memory is given out."""
    return -(-sys.getsizeof(value) // 16) * 16
