"""What others are shown of a customer: figures read off the state, and off the timing model at an instant."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from msgspec import Struct

from agents.emitter import Emitter
from agents.models.outlook import sight_of
from agents.models.planning import due_after
from agents.models.value import HORIZON_DAYS, amounts, expected_orders, expected_value, orders_a_day
from agents.rulebook.rules import Rules
from agents.triggers.absence import rhythm_of, state_of
from agents.triggers.cart import Carts
from agents.triggers.loyal import VipCandidates
from agents.triggers.replenish import Replenish
from agents.triggers.repurchase import FLOOR_MS, Repurchase
from tables.basket import Basket
from tables.clock import Clock
from tables.customer import Customer
from tables.orders import DAY, Orders
from tables.parameters import Parameters


class Timer(Struct):
    """A rule that waits, and when it fires unless the customer does something before."""

    rule: str
    due_at: datetime


class LastOrder(Struct):
    order_id: str
    at: datetime
    total: float
    returned: float
    """Money refunded; the total when cancelled."""


class StandingTrigger(Struct):
    """A trigger that was sent and that nothing has contradicted."""

    trigger_id: str
    type: str
    due_at: datetime
    fired_at: datetime
    expires_at: datetime


class Range(Struct):
    """What is expected of the next twelve months: one in ten customers comes to less than `low`, one to more."""

    expected: float
    low: float
    high: float


class Portrait(Struct):
    """A customer, as of an instant. Money is in major units; None: not known yet."""

    customer_id: str
    as_of: datetime
    orders: int = 0
    last_order: LastOrder | None = None
    average_interval_days: float | None = None
    average_basket: float | None = None
    currency: str | None = None
    """Of the baskets: the one of most orders."""
    expected_next_order_at: datetime | None = None
    """As told when the last order came; it may be past."""
    p_alive: float | None = None
    """The chance that another order comes at all."""
    open_timers: list[Timer] = []
    open_triggers: list[StandingTrigger] = []
    expected_orders: Range | None = None
    value: Range | None = None
    """In the currency of the baskets."""
    vip_candidate: bool = False
    """May become one of the best customers, and is not yet (`agents.triggers.loyal`)."""


class Painter:
    """Draws portraits under rules and parameters."""

    def __init__(self, rules: Rules, parameters: Parameters) -> None:
        self._carts = Carts(rules, Emitter())
        self._prior = parameters.timing
        self._clock = Clock(parameters.clock)
        self._within = rules.repurchase_due.within
        self._basket_prior = parameters.basket
        self._candidates = VipCandidates(parameters)

    def portraits(self, customers: Sequence[tuple[str, Customer]], now: int) -> list[Portrait]:
        """One of each customer, (id, state), at `now` (epoch ms). The timing model is asked once for all."""
        drawn = [self._draw(customer_id, customer, now) for customer_id, customer in customers]
        returning = [(p, c, c.orders) for p, (_, c) in zip(drawn, customers, strict=True) if c.orders is not None]
        if returning:
            self._foretell([(portrait, orders) for portrait, _, orders in returning], now)
            self._value(returning, now)
        return drawn

    def _draw(self, customer_id: str, customer: Customer, now: int) -> Portrait:
        portrait = Portrait(customer_id, _instant(now))
        orders, basket = customer.orders, customer.basket
        if orders is not None:
            portrait.orders = orders.count
            last = orders.recent[-1]
            portrait.last_order = LastOrder(last.order_id, _instant(last.at), last.total, last.returned)
            if (interval := orders.mean_gap_days) is not None:
                portrait.average_interval_days = round(interval, 2)
        if basket is not None and customer.foreign is not None:
            basket = max((basket, *customer.foreign.baskets), key=_orders)
        if basket is not None and basket.n:
            portrait.average_basket, portrait.currency = round(basket.mean, 2), basket.currency
        portrait.open_timers = [Timer(rule, _instant(at)) for rule, at in self._timers(customer)]
        portrait.open_triggers = [
            StandingTrigger(t.trigger_id, t.rule, _instant(t.due_at), _instant(t.fired_at), _instant(t.expires_at))
            for t in customer.open
        ]
        return portrait

    def _timers(self, customer: Customer) -> Iterator[tuple[str, int]]:
        if customer.orders is not None:
            yield from Repurchase.timers(customer.orders)
        if (waiting := self._carts.timer(customer)) is not None:
            yield waiting
        yield from Replenish.timers(customer)

    def _foretell(self, returning: Sequence[tuple[Portrait, Orders]], now: int) -> None:
        last = np.array([orders.last_at for _, orders in returning], dtype=np.float64)
        rhythm = rhythm_of(self._prior, [state_of(orders) for _, orders in returning])
        expected = np.rint(last + np.maximum(due_after(rhythm, self._clock, last, self._within), FLOOR_MS))
        alive = np.round(rhythm.p_alive((self._clock.at(now) - self._clock.all_at(last)) / DAY), 4)
        for (portrait, _), at, p in zip(returning, expected.tolist(), alive.tolist(), strict=True):
            portrait.expected_next_order_at, portrait.p_alive = _instant(at), p

    def _value(self, returning: Sequence[tuple[Portrait, Customer, Orders]], now: int) -> None:
        """What the customers are worth."""
        seen = np.array([(o.last_at, o.count, *state_of(o)) for _, _, o in returning], dtype=np.float64).T
        last, count, x, s1, s2, e1, e2 = seen
        baskets = [(b.n, b.mean_ln, b.ss) if (b := c.basket) is not None else (0, 0.0, 0.0) for _, c, _ in returning]
        ages = np.maximum((self._clock.at(now) - self._clock.all_at(last)) / DAY, 0.0)
        sight, a_day = sight_of(self._prior), orders_a_day(count, x + 1)
        ahead = sight.of(x, sight.rhythm(x, s1, s2, e1, e2), ages, HORIZON_DAYS)
        worth = amounts(self._basket_prior, *np.array(baskets, dtype=np.float64).T)
        orders, value = (
            np.round(figure, 2).T.tolist()
            for figure in (expected_orders(ahead, a_day), expected_value(ahead, a_day, worth))
        )
        for (portrait, customer, _), many, much in zip(returning, orders, value, strict=True):
            portrait.expected_orders = Range(*many)
            if customer.basket is not None and customer.basket.n:
                portrait.value = Range(*much)
            worth_it = None if portrait.value is None else portrait.value.expected
            portrait.vip_candidate = self._candidates.holds(customer, worth_it)


def _orders(basket: Basket) -> int:
    return basket.n


def _instant(at: float) -> datetime:
    """Of epoch ms, in UTC. As JSON it is ISO 8601 with microseconds: six times as fast as with milliseconds."""
    return datetime.fromtimestamp(at / 1000, UTC)
