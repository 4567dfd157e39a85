"""The pure core: states and events of one partition in, changed states and decisions out.

Worker, backtest and tests run the same.

Nothing here reads a clock, a file or a socket. Who drives it sets `now`, calls `take` in the order of the merge and
`advance` when time passes, and makes `settle`'s changes durable before `adopt`.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from xxhash import xxh3_64_digest

from agents.agenda import Agenda, plan_fingerprint
from agents.calibration import Calibration
from agents.decisions import Decision
from agents.emitter import Emitter, take_answered
from agents.handlers import Handlers
from agents.notices import Notices
from agents.rulebook.rules import Rules
from agents.sales import Sales
from agents.triggers.basket import Baskets
from agents.triggers.cart import Carts
from agents.triggers.replenish import Replenish
from agents.triggers.repurchase import Repurchase
from agents.visits import leave_visit
from tables.clock import Clock
from tables.customer import NEVER, Customer, Visitor
from tables.events import CARTS, SOURCES, AnyEvent, CustomerErased, OrderCompleted
from tables.parameters import Parameters
from tables.retention import BROWSING, NAMES, forget, forget_at, lies
from tables.seen import seen_before
from tables.states import Changes, States

NOTHING: Final = (-1, -1, -1)
"""Offsets applied of each source, before the first."""


@dataclass(slots=True)
class Settled:
    """What a batch comes to: states to write, decisions to send in order."""

    changes: Changes
    decisions: list[Decision]
    lateness: list[int]
    """Per timer that was looked at: `now` less its due time, in ms."""
    erased: dict[bytes, list[int]]
    """Who was erased, with the last offset applied of each source; where offsets are tracked."""
    dropped: dict[bytes, int]
    """Who was erased or forgotten, come back since or not; and how many of `decisions` were made before that."""


_CARTS: Final = SOURCES.index(CARTS)
_digest: Final = xxh3_64_digest
"""Compiled code looks up what it imports whenever it is used, and what is Final never."""


class Core:
    """The customers of one partition, under rules and parameters.

    `track_offsets`: states carry the last offset applied of each source, so that a batch that comes again changes
    nothing (delivery at_least_once). `calibrate`: count how right the windows turn out to be.
    """

    def __init__(
        self, rules: Rules, parameters: Parameters, *, track_offsets: bool = False, calibrate: bool = False
    ) -> None:
        self.states = States(plan_fingerprint(rules, parameters))
        self.emitter = Emitter()
        self._track = track_offsets
        self.gone: dict[bytes, list[int]] = {}
        """The offsets of who was erased: whoever comes back under that key goes on from them."""
        self._erased: dict[bytes, list[int]] = {}
        """Of this batch alone."""
        self._dropped: dict[bytes, int] = {}
        self._lateness: list[int] = []
        self._woken = 0
        """Customers that their timers have opened in this batch."""
        self._reached = 0
        """What was due before it has fired, epoch ms."""
        self._rules = rules
        self._agenda = Agenda(self.states)
        self._carts = Carts(rules, self.emitter)
        self.notices = Notices()
        self.calibration = Calibration(parameters) if calibrate else None
        self.counts: Counter[str] = Counter()
        """Events that were not applied, by why: duplicate, repeated, ignored."""
        self.sales = Sales()
        self._use(parameters)

    def _use(self, parameters: Parameters) -> None:
        """Make all that decides by parameters."""
        self.parameters = parameters
        rules, emitter = self._rules, self.emitter
        self._repurchase = Repurchase(rules, parameters, emitter)
        self._replenish = Replenish(rules, parameters, emitter)
        baskets = Baskets(rules, parameters.basket, emitter)
        if self.calibration is not None:
            self.calibration.go_by(parameters)
        handlers = Handlers(
            self._repurchase,
            self._carts,
            baskets,
            self._replenish,
            emitter,
            self.notices,
            Clock(parameters.clock),
            calibration=self.calibration,
        )
        handlers.counts, handlers.sales = self.counts, self.sales
        self._handlers, self._visits = handlers.by_type, handlers.visits
        self._agenda.go_by(self._repurchase, self._replenish, handlers.wake, self._carts.wake)

    @property
    def next_due(self) -> int:
        """Before this instant (epoch ms) no timer is due."""
        return min(self.states.timers.soonest, self._repurchase.plan_by)

    def goes_on_from(self, now: int) -> None:
        """What was due up to `now` (epoch ms) was decided, and counted, by whoever had the partition before."""
        self.emitter.now = max(self.emitter.now, now)
        if self.calibration is not None:
            self.calibration.begin(self.emitter.now)

    def take(self, source: int, offset: int, key: bytes, event: AnyEvent, at: int) -> int:
        """Apply one event; returns `next_due` as it is then.

        `source` is its index in tables.events.SOURCES, `at` its event time in epoch ms. Timers due before it must have
        been fired: see `advance`.
        """
        if source == _CARTS:
            return self._visit(offset, key, event, at)
        states, repurchase = self.states, self._repurchase
        customer = states.open(key)
        if self._track and self._repeated(source, offset, key, customer):
            return self.next_due
        if type(event) is CustomerErased:
            self._erase(key, customer, event)
            return self.next_due
        due = 0
        if seen_before(customer, _digest(event.event_id)):
            self.counts["duplicate"] += 1
            if not self._track:
                return self.next_due
        else:
            wake = self._handlers[type(event)](event.customer_id, key, customer, event, at)
            if wake > at + BROWSING and key not in repurchase.unplanned and (wake > at + NAMES or lies(customer)):
                wake = min(wake, forget_at(customer))
            if not states.arm(key, customer, wake) and type(event) is OrderCompleted:
                due = wake
        if key in repurchase.unplanned:  # as `Agenda.close` does it, without a call for every event
            states.hold(key, customer)
        else:
            states.close(key, customer, due)
        soonest, plan_by = states.timers.soonest, repurchase.plan_by
        return soonest if soonest < plan_by else plan_by  # noqa: FURB136 - min() takes four times as long

    def _visit(self, offset: int, key: bytes, event: AnyEvent, at: int) -> int:
        """Apply an event of the carts."""
        states, repurchase = self.states, self._repurchase
        digest = _digest(event.event_id)
        if self._track or not leave_visit(states, self._carts, key, digest, event, at):
            self._open_visit(offset, key, digest, event, at)
        soonest, plan_by = states.timers.soonest, repurchase.plan_by
        return soonest if soonest < plan_by else plan_by  # noqa: FURB136 - min() takes four times as long

    def _open_visit(self, offset: int, key: bytes, digest: bytes, event: AnyEvent, at: int) -> None:
        """The same for an event that cannot wait with the packed state."""
        states, repurchase = self.states, self._repurchase
        visitor = states.open_visitor(key)
        if self._track and self._repeated(_CARTS, offset, key, visitor):
            return
        if seen_before(visitor, digest):
            self.counts["duplicate"] += 1
            if not self._track:
                return
        else:
            wake = self._visits[type(event)](visitor, event, at)
            if wake > at + BROWSING and key not in repurchase.unplanned:
                wake = at + BROWSING  # nothing of what it brought is forgotten before
            states.arm(key, visitor, wake)
        if key not in repurchase.unplanned:  # who is in there is held already
            states.close(key, visitor)

    def _repeated(self, source: int, offset: int, key: bytes, customer: Visitor) -> bool:
        """Whether the event at this offset was applied; if not, the customer remembers that it is now."""
        if customer.applied is None:
            customer.applied = [*self.gone.get(key, NOTHING)]
        if offset <= customer.applied[source]:
            self.counts["repeated"] += 1
            return True
        customer.applied[source] = offset
        return False

    def advance(self, until: int, room: int, *, live_from: int = 0) -> bool:
        """Fire the timers due before `until`, in order of due time.

        False when `room` decisions have gathered or as many customers were woken first: settle, and go on. `live_from`:
        what was due before it passed by as an import, which fires nothing for the customers that it brings.
        """
        states, repurchase = self.states, self._repurchase
        while self.next_due < until:
            if len(self.emitter.decisions) >= room or self._woken >= room:
                return False
            popped = states.pop(min(until, repurchase.plan_by))
            if popped is not None:
                self._wake_up(*popped, until, live_from)
            elif repurchase.plan_by < until:
                turn = self._agenda.take_turn(repurchase.plan_by)
                if turn is None:
                    self._agenda.plan()
                else:
                    self._woken += turn
        self._reached = until
        return True

    def settle(self) -> Settled:
        """End a batch: plan who ordered, complete the sentences, pack what has changed."""
        self._agenda.plan()
        self._repurchase.finish()
        self._agenda.place()
        self._woken = 0
        lateness, self._lateness = self._lateness, []
        erased, self._erased = self._erased, {}
        dropped, self._dropped = self._dropped, {}
        changes = self.states.changes()
        if self.calibration is not None:
            self.calibration.look(self.states, self._reached)
        return Settled(changes, self.emitter.take(), lateness, erased, dropped)

    def adopt(self) -> None:
        """The batch is durable."""
        self.states.adopt()

    def adopt_parameters(self, parameters: Parameters) -> None:
        """Decide by other parameters from here on; what was taken so far is decided by those of before.

        Whoever waits for a timer is planned anew: in turn, see `agents.sweep`, or when it would go off. What was told
        of a gap stays told; who is due by now is so from its turn on, and not stale.
        """
        self._agenda.plan()
        self._repurchase.finish()
        self._use(parameters)
        self._agenda.change_to(plan_fingerprint(self._rules, parameters), self.emitter.now)

    # -- timers

    def _wake_up(self, due: int, key: bytes, customer: Customer, until: int, live_from: int) -> None:
        agenda = self._agenda
        if due == 0:  # planned by other rules or parameters
            self._woken += 1
            if forget_at(customer) == 0:
                self._drop(key, customer)
                return
            agenda.replan(key, customer, self.emitter.now if agenda.same_rules(key) else 0)
            return
        wake = agenda.next_look(customer)
        if wake > due:
            self.states.put_off(key, customer, wake)
            return
        self._woken += 1
        if agenda.absent_by_others(key, customer, due):
            agenda.replan(key, customer, due)
            self._woken += agenda.replan_others(until)
            return
        self._lateness.append(self.emitter.now - due)
        self._fire(key.decode(), customer, due, live_from)
        if forget_at(customer) <= due and forget(customer, due):
            self._drop(key, customer)
            return
        customer.wake = NEVER
        self.states.arm(key, customer, agenda.next_look(customer))
        agenda.close(key, customer)

    def _fire(self, customer_id: str, customer: Customer, due: int, live_from: int) -> None:
        """Tell what is due at `due`."""
        if customer.orders is not None and self._repurchase.wake(customer.orders) <= due:
            self._repurchase.fire(customer_id, customer, customer.orders, due, live_from)
        if self._carts.wake(customer) <= due:
            self._carts.fire(customer_id, customer, due)
        if customer.orders is not None and self._replenish.wake(customer) <= due:
            self._replenish.fire(customer_id, customer, customer.orders, due, live_from)

    def _erase(self, key: bytes, customer: Customer, event: CustomerErased) -> None:
        cause = {"type": "customer.erased", "event_id": event.event_id}
        for opened in customer.open:
            opened.since = 0
        self.emitter.cancel(event.customer_id, take_answered(customer, 0), "the customer was erased", cause)
        self._drop(key, customer)

    def _drop(self, key: bytes, customer: Customer) -> None:
        """Nothing is remembered of the customer any more."""
        self._repurchase.forget(key)
        self._dropped[key] = len(self.emitter.decisions)
        if customer.applied is not None:
            self._erased[key] = self.gone[key] = customer.applied.copy()
        self.states.erase(key)
