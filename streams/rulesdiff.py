"""What two sets of rules would have sent on the same log: only one of them, both, and what moved in time.

A trigger of one set is that of the other when type, customer and cause are the same: the order, the last change of the
cart, the view. A trigger id says just that once both sets go by the same versions (`Rules.named_as`). What a set sends
again under the same id, consumers drop: the first one counts.
"""

from array import array
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, Self, TypeAlias

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from agents.decisions import Decision, Trigger
from agents.fit.histories import Ints
from agents.rulebook.currencies import RATE
from agents.rulebook.kinds import settable
from agents.rulebook.rules import NAMES, Rules
from streams.flow.decode import parse_time
from tables.orders import DAY

_NUMBER = {name: number for number, name in enumerate(NAMES)}
_Told = tuple[str, str, str]
_decode = msgspec.json.Decoder(_Told).decode
Ids: TypeAlias = NDArray[np.uint64]
Json = dict[str, Any]


class Sent:
    """What one set sent: 25 bytes of memory a trigger; its words lie in a nameless file until the context ends."""

    def __init__(self) -> None:
        self._id, self._type, self._at, self._place = array("Q"), array("b"), array("q"), array("q")
        self._words = TemporaryFile()  # noqa: SIM115 - see __exit__
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._words.close()

    def take(self, decision: Decision) -> None:
        """A trigger counts unless a guard held it back; one that was cancelled later was sent."""
        if isinstance(decision, Trigger) and decision.suppressed_by is UNSET:
            self._id.append(xxh3_64_intdigest(decision.trigger_id))
            self._type.append(_NUMBER[decision.type])
            self._at.append(parse_time(decision.fired_at))
            self._place.append(self._end)
            words = (decision.customer_id, decision.fired_at, decision.reason)
            self._end += self._words.write(msgspec.json.encode(words) + b"\n")

    def firsts(self) -> tuple[Ids, Ints]:
        """Each id once, rising, and the row of its first trigger."""
        ids, rows = np.unique(np.array(self._id, np.uint64), return_index=True)
        return ids, rows.astype(np.int64)

    def types(self, rows: Ints) -> Ints:
        """The types of these rows, as places in NAMES."""
        return np.array(self._type, np.int64)[rows]

    def at(self, rows: Ints) -> Ints:
        """When they were sent; epoch ms."""
        return np.array(self._at, np.int64)[rows]

    def told(self, row: int) -> _Told:
        """Customer, instant and reason."""
        self._words.seek(self._place[row])
        told: _Told = _decode(self._words.readline())
        return told


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sets' triggers side by side: rows of `a` and `b`, in the order in which they were sent."""

    a: Sent
    b: Sent
    only_a: Ints
    only_b: Ints
    both_a: Ints
    both_b: Ints
    """The same triggers as in `both_a`, in the same order."""

    def counts(self) -> dict[str, Json]:
        """Per type; `moved` are among `both`, `median_days` is how much later (earlier: below 0) B sends these."""
        types = self.a.types(self.both_a)
        days = (self.b.at(self.both_b) - self.a.at(self.both_a)) / DAY
        only_a, only_b = self.a.types(self.only_a), self.b.types(self.only_b)
        found = {}
        for number, name in enumerate(NAMES):
            own = days[types == number]
            both, left, right = own.size, int(np.sum(only_a == number)), int(np.sum(only_b == number))
            found[name] = {
                "a": both + left,
                "b": both + right,
                "both": both,
                "only_a": left,
                "only_b": right,
                "earlier_in_b": int(np.sum(own < 0)),
                "later_in_b": int(np.sum(own > 0)),
                "median_days": round(float(np.median(own[own != 0])), 4) if np.any(own) else None,
            }
        return found

    def examples(self, most: int) -> list[Json]:
        """Of each type up to `most` each that only A sends, only B sends, and both but not at the same time.

        They are spread evenly over the log, so that they do not all come from its beginning.
        """
        moved = self.a.at(self.both_a) != self.b.at(self.both_b)
        moved_a, moved_b = self.both_a[moved], self.both_b[moved]
        found = []
        for number, name in enumerate(NAMES):
            found += [self._example(name, "only_a", int(row), None) for row in _of(self.a, self.only_a, number, most)]
            found += [self._example(name, "only_b", None, int(row)) for row in _of(self.b, self.only_b, number, most)]
            pairs = _spread(np.flatnonzero(self.a.types(moved_a) == number), most)
            found += [self._example(name, "moved", int(moved_a[i]), int(moved_b[i])) for i in pairs]
        return found

    def _example(self, name: str, where: str, row_a: int | None, row_b: int | None) -> Json:
        in_a, in_b = (row if row is None else sent.told(row) for sent, row in ((self.a, row_a), (self.b, row_b)))
        customer, _, _ = in_a or in_b or ("", "", "")
        shown = {side: told and {"fired_at": told[1], "reason": told[2]} for side, told in (("a", in_a), ("b", in_b))}
        return {"type": name, "where": where, "customer_id": customer, **shown}


def compare(a: Sent, b: Sent) -> Difference:
    """Side by side what two sets sent, which must go by the same versions."""
    (ids_a, rows_a), (ids_b, rows_b) = a.firsts(), b.firsts()
    _, in_a, in_b = np.intersect1d(ids_a, ids_b, assume_unique=True, return_indices=True)
    order = np.argsort(rows_a[in_a])
    only_a, only_b = np.sort(np.delete(rows_a, in_a)), np.sort(np.delete(rows_b, in_b))
    return Difference(a, b, only_a, only_b, rows_a[in_a][order], rows_b[in_b][order])


def differing(a: Rules, b: Rules) -> dict[str, dict[str, dict[str, str]]]:
    """Per rule, for the guards and the currencies, the settings that are not the same, as a rules file writes them."""
    pairs = {name: (one, b.by_name()[name]) for name, one in a.by_name().items()} | {"guards": (a.guards, b.guards)}
    found = {}
    for name, (one, other) in pairs.items():
        kinds = {key: field.metadata["kind"] for key, field in settable(type(one)).items()}
        values = {key: (getattr(one, key), getattr(other, key)) for key in kinds}
        changed = {key: {"a": kinds[key].show(x), "b": kinds[key].show(y)} for key, (x, y) in values.items() if x != y}
        if changed:
            found[name] = changed
    rates = {name: (a.currencies.rates.get(name), b.currencies.rates.get(name)) for name in _currencies(a, b)}
    if moved := {name: {"a": _rate(x), "b": _rate(y)} for name, (x, y) in rates.items() if x != y}:
        found["currencies"] = moved
    return found


def _currencies(a: Rules, b: Rules) -> dict[str, None]:
    return dict.fromkeys((*a.currencies.rates, *b.currencies.rates))


def _rate(rate: float | None) -> str:
    return "" if rate is None else RATE.show(rate)


def _of(sent: Sent, rows: Ints, number: int, most: int) -> Ints:
    return _spread(rows[sent.types(rows) == number], most)


def _spread(rows: Ints, most: int) -> Ints:
    """At most so many of them, the first and the last among them."""
    if rows.size <= most:
        return rows
    return rows[np.linspace(0, rows.size - 1, most).round().astype(np.int64)]
