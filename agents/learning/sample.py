"""What a refit knows of a shop: a sample of its customers, small enough for one message, and samples put together.

A sample holds every customer with orders whose key's hash is below a threshold (bottom-k: the k smallest hashes are the
same customers each time). Of several partitions' samples the lowest threshold holds for all, so that merged they are a
sample of the whole shop in which everybody had the same chance, however many partitions there are.

The form is `form (1 byte) | zlib of a MessagePack array`, its columns little-endian.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

FORM = 1
EVERYBODY = 1 << 64
"""The threshold of a sample that holds all customers."""
MAX_BYTES = 1 << 18
"""No sample of a partition is larger than this."""
MOST_MERGED = 100_000
"""Customers in a merged sample, at most: a fit gains nothing from more."""
HELD_BACK = 5
"""One in so many customers is held back from every fit, always the same ones: they judge it."""

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


class SampleError(ValueError):
    """These bytes are no sample that this version reads; whoever gathers samples leaves them out. One line says why."""


@dataclass(frozen=True, slots=True)
class Customers:
    """Columns, one element per customer with orders, by `hash`."""

    hash: NDArray[np.uint64]
    orders: Ints
    """How many of `Sample.at` are this customer's."""
    x: Ints
    """Gaps up to the newest order; -1 where all orders are remembered, and their times tell everything."""
    s1: Floats
    s2: Floats
    e1: Floats
    e2: Floats
    """The sums over these gaps, as in `tables.orders.Orders`; 0 where x is -1."""
    baskets: Ints
    """Amounts in the customer's currency."""
    mean_ln: Floats
    ss: Floats
    """Mean and sum of squared deviations of their natural logarithms."""
    currency: Ints
    """A hash of its name."""

    def take(self, rows: Mask | Ints | slice) -> "Customers":
        """The same columns of some customers."""
        return Customers(*(getattr(self, column.name)[rows] for column in fields(self)))

    def __len__(self) -> int:
        return int(self.hash.size)


@dataclass(frozen=True, slots=True)
class Sample:
    """Customers of one partition or of several, as they stood at `until` (epoch ms)."""

    until: int
    customers: int
    """How many there are in those partitions, with orders or without."""
    threshold: int
    """Everybody with orders whose hash is below it is in the sample."""
    of: Customers
    at: Ints
    """The remembered orders' times, oldest first, customer by customer; epoch ms, whole seconds. Later ones than
    `until` may be among them: a state has no past."""

    def __len__(self) -> int:
        return len(self.of)

    @property
    def held_back(self) -> Mask:
        """Who is to judge a fit and is never fitted on."""
        kept: Mask = self.of.hash % np.uint64(HELD_BACK) == 0
        return kept

    def take(self, rows: Mask) -> "Sample":
        """Some of the customers."""
        times = np.repeat(rows, self.of.orders)
        return Sample(self.until, self.customers, self.threshold, self.of.take(rows), self.at[times])

    def encode(self) -> bytes:
        """The binary form; a partition's takes MAX_BYTES at most."""
        of, columns = self.of, []
        for column, kind in _KINDS.items():
            columns.append(np.asarray(getattr(of, column)).astype(kind).tobytes())
        form = _Form(self.until, self.customers, self.threshold - 1, columns, (self.at // 1000).astype("<u4").tobytes())
        return bytes((FORM,)) + zlib.compress(msgspec.msgpack.encode(form), 1)


class _Form(Struct, array_like=True):
    until: int
    customers: int
    last: int
    """The threshold less 1, which 64 bits hold."""
    columns: list[bytes]
    at: bytes


_KINDS = {
    "hash": "<u8",
    "orders": "<u1",
    "x": "<i4",
    "s1": "<f4",
    "s2": "<f4",
    "e1": "<f4",
    "e2": "<f4",
    "baskets": "<i4",
    "mean_ln": "<f4",
    "ss": "<f4",
    "currency": "<u4",
}
_MEANT = {"u": np.int64, "i": np.int64, "f": np.float64}
_INFLATED = 64 << 20
"""Bytes that a form may come to: more is none of ours."""


def decode_sample(raw: bytes) -> Sample:
    """The sample of a binary form. Raises SampleError."""
    if not raw or raw[0] != FORM:
        if raw and FORM < raw[0] < 32:
            raise SampleError(f"a sample of form {raw[0]} was written by a newer version: upgrade this worker")
        raise SampleError("this is no sample of customers")
    try:
        return _sample_of(msgspec.msgpack.decode(_inflated(raw[1:]), type=_Form))
    except (zlib.error, ValueError, OverflowError) as error:  # msgspec's own errors are ValueErrors
        raise SampleError(f"a sample is damaged: {error}") from error


def _inflated(raw: bytes) -> bytes:
    inflate = zlib.decompressobj()
    body = inflate.decompress(raw, _INFLATED)
    if not inflate.eof:
        raise ValueError("it is cut short, or too large")
    return body


def _sample_of(form: _Form) -> Sample:
    columns: dict[str, Any] = {
        name: np.frombuffer(raw, kind).astype(np.uint64 if name == "hash" else _MEANT[kind[1]])
        for (name, kind), raw in zip(_KINDS.items(), form.columns, strict=True)
    }
    of, at = Customers(**columns), np.frombuffer(form.at, "<u4").astype(np.int64) * 1000
    sizes = {column.size for column in columns.values()}
    numbers = np.concatenate([columns[name] for name in ("s1", "s2", "e1", "e2", "mean_ln", "ss")])
    if len(sizes) > 1 or int(of.orders.sum()) != at.size or not np.isfinite(numbers).all():
        raise ValueError("its columns do not fit together")
    if len(of) and (of.orders.min() < 1 or not bool((of.hash[1:] > of.hash[:-1]).all())):
        raise ValueError("its customers are not in order")
    if not (0 <= form.until < 1 << 53 and 0 <= form.customers < 1 << 53 and 0 <= form.last < EVERYBODY):
        raise ValueError("its counts are out of range")
    return Sample(form.until, form.customers, form.last + 1, of, at)


def merge(samples: Sequence[Sample], most: int = MOST_MERGED) -> Sample:
    """One sample of all these partitions' customers, of `most` at most; raises ValueError without any.

    Those of an earlier instant than the newest are left out: what their customers did since is not known. Who is in two
    of them (a partition that changed hands) counts once.
    """
    if not samples:
        raise ValueError("there is no sample to merge")
    until = max(sample.until for sample in samples)
    samples = [sample for sample in samples if sample.until == until]
    of = Customers(*(np.concatenate([getattr(s.of, f.name) for s in samples]) for f in fields(Customers)))
    at = np.concatenate([sample.at for sample in samples])
    hashes, first = np.unique(of.hash, return_index=True)
    threshold = min(sample.threshold for sample in samples)
    if hashes.size > most:
        threshold = min(threshold, int(hashes[most]))
    rows = first[hashes < threshold] if threshold < EVERYBODY else first
    begins = np.cumsum(of.orders) - of.orders
    chosen = of.take(rows)
    ends = np.cumsum(chosen.orders)
    places = np.arange(int(ends[-1]) if len(chosen) else 0)
    places += np.repeat(begins[rows] - (ends - chosen.orders), chosen.orders)
    customers = sum(sample.customers for sample in samples)
    return Sample(until, customers, threshold, chosen, at[places])
