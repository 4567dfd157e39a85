"""A few triggers told in full: why each was sent, and what its customer did before and after.

They are drawn, not picked: of each type, among those with the most at stake, by trigger id. The second of a type is the
first whose customer did the opposite (came back, or did not), so that both ends are seen.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Any

import msgspec
from msgspec import UNSET

from agents.decisions import FAMILIES, Decision, Trigger, iso
from agents.evidence.scoring import HORIZON, Trial
from agents.rulebook.rules import NAMES
from streams.flow.decode import parse_time
from streams.histories import Histories
from tables.orders import DAY

MOST = 10
_OF_A_TYPE = 3
_KEPT = 60
"""Of each type, from which the stories are drawn."""
_ORDERS = 12
"""Shown of a customer before and after the trigger; more orders than these say no more of a rhythm."""


@dataclass(frozen=True, slots=True)
class _Told:
    trigger: Trigger
    at: int
    first: int
    """The customer's orders are those from here"""
    middle: int
    """up to here before the trigger, and from here"""
    last: int
    """up to here after it."""


class Stories:
    """Takes decisions as they come, and keeps a few of each type."""

    def __init__(self, histories: Histories, trial: Trial) -> None:
        self._histories, self._trial = histories, trial
        self._since = trial.train_until
        self._until = max(trial.end - HORIZON, (trial.train_until + trial.end) // 2)
        """What comes later has hardly an afterwards to tell."""
        self._kept: dict[str, list[tuple[float, str, Trigger]]] = {name: [] for name in NAMES}

    def take(self, decision: Decision) -> None:
        if isinstance(decision, Trigger) and decision.suppressed_by is UNSET:
            kept, item = self._kept[decision.type], (_stake(decision), decision.trigger_id, decision)
            if (len(kept) < _KEPT or item[:2] > kept[0][:2]) and self._may_be_told(decision):
                (heapq.heappush if len(kept) < _KEPT else heapq.heapreplace)(kept, item)

    def _may_be_told(self, trigger: Trigger) -> bool:
        inside = self._since <= parse_time(trigger.fired_at) <= self._until
        known = any(trigger.trigger_id == kept for _, kept, _ in self._kept[trigger.type])
        return inside and not known and trigger.customer_id.encode() not in self._histories.erased

    def tell(self) -> list[dict[str, Any]]:
        """At most MOST, of as many types as there are; in the order of the rules."""
        drawn = [list(islice(self._drawn(name), _OF_A_TYPE)) for name in NAMES]
        rounds = chain.from_iterable(zip_longest(*drawn))
        chosen = list(islice((told for told in rounds if told is not None), MOST))
        chosen.sort(key=lambda told: NAMES.index(told.trigger.type))  # those of a type stay as they were drawn
        return [self._story(told) for told in chosen]

    def _drawn(self, name: str) -> Iterator[_Told]:
        told = [self._told(trigger) for _, _, trigger in sorted(self._kept[name], reverse=True)]
        while told:
            one = told.pop(0)
            yield one
            other = next((each for each in told if self._back(each) != self._back(one)), None)
            if other:
                told.remove(other)
                told.insert(0, other)

    def _back(self, told: _Told) -> bool:
        at = self._trial.orders.at
        return told.middle < told.last and int(at[told.middle]) <= told.at + HORIZON

    def _told(self, trigger: Trigger) -> _Told:
        orders, at = self._trial.orders, parse_time(trigger.fired_at)
        number = self._histories.number.get(trigger.customer_id.encode())
        if number is None:
            return _Told(trigger, at, 0, 0, 0)
        first, last = (int(place) for place in orders.customer.searchsorted([number, number + 1]))
        return _Told(trigger, at, first, first + int(orders.at[first:last].searchsorted(at, side="right")), last)

    def _story(self, told: _Told) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.to_builtins(told.trigger)
        for name in ("due_at", "expires_at", "segments", "holdout"):
            del shown[name]
        return {
            **shown,
            "orders_before": told.middle - told.first,
            "before": self._orders(told, max(told.first, told.middle - _ORDERS), told.middle),
            "orders_after": told.last - told.middle,
            "after": self._orders(told, told.middle, min(told.last, told.middle + _ORDERS)),
            "watched_days": round((self._trial.end - told.at) / DAY, 1),
        }

    def _orders(self, told: _Told, begin: int, end: int) -> list[dict[str, Any]]:
        """`total` and `currency` are null where the log has no amount."""
        orders, currencies = self._trial.orders, self._histories.currencies
        rows = []
        for i in range(begin, end):
            at, total = int(orders.at[i]), float(orders.total[i])
            money = (round(total, 2), currencies[int(orders.currency[i])]) if total > 0 else (None, None)
            rows.append(
                {"at": iso(at), "days": round((at - told.at) / DAY, 1), "total": money[0], "currency": money[1]}
            )
        return rows


def _stake(trigger: Trigger) -> float:
    """How much there is to lose, or to see; comparable within a type."""
    evidence = trigger.evidence
    match FAMILIES[trigger.type]:
        case "repurchase":
            return float(min(evidence["orders"], _ORDERS))
        case "basket":
            return abs(float(evidence["z"]))
        case _ if trigger.cart is not UNSET:
            return float(trigger.cart.get("total") or len(trigger.cart["items"]))
        case _:
            return float(evidence.get("views", 0))
