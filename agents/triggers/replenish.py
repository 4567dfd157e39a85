"""What a customer will need again: `product.replenish_due`.

Each product bought regularly is due at the median of the customer's own interval after it (`agents.models.lasting`),
`lead` earlier if so set, and is told once per purchase. What is due within `together` of the first goes into one
trigger with it, so that nobody gets three messages on a day; a purchase of any of them answers it. A rhythm that is too
irregular, or longer than a year, tells nothing.
"""

from functools import partial
from typing import Any, Final

from agents.decisions import RuleRef, iso, spell, trigger_id
from agents.emitter import Emitter
from agents.models.lasting import Lasts, lasts
from agents.rulebook.rules import ProductReplenishDue, Rules
from tables.customer import NEVER, Customer, OpenTrigger
from tables.events import OrderItem
from tables.orders import Orders, RecentOrder
from tables.parameters import Parameters
from tables.productform import IDLE, due_of, pack_products, seconds, unpack_products, with_new
from tables.products import DAY, Products, Regular
from tables.products import NEVER as NOT_DUE

LONGEST: Final = 365.0
"""Days; what lasts longer may be forgotten before it is due (`tables.retention`)."""
Item = tuple[str | None, float]
"""Category and quantity."""


class Replenish:
    """Remembers what is bought, plans when it will be needed, and says so."""

    def __init__(self, rules: Rules, parameters: Parameters, emitter: Emitter) -> None:
        rule = self._rule = rules.product_replenish_due
        self._ref = RuleRef(rule.NAME, rules.versions[rule.NAME])
        self._lead, self._together = rule.lead // 1000, rule.together // 1000
        self._prior = parameters.products
        self._version = parameters.version
        self._emit = emitter

    @staticmethod
    def wake(customer: Customer) -> int:
        """When the next product is due."""
        products = customer.products
        return due_of(products) * 1000 if products and products[0] != IDLE else NEVER

    @classmethod
    def timers(cls, customer: Customer) -> list[tuple[str, int]]:
        """The rule, if it waits, and when it fires."""
        wake = cls.wake(customer)
        return [] if wake == NEVER else [(ProductReplenishDue.NAME, wake)]

    # -- what is bought

    def bought(self, customer: Customer, items: list[OrderItem], at: int) -> list[int]:
        """Remember the products of an order; the due times of the triggers that it answers, for `answer`."""
        packed = with_new(customer.products, at // 1000, items)
        if packed is not None:
            customer.products = packed
            return []
        when, products = seconds(at), unpack_products(customer.products)
        answered = {
            self._buy(products, name, category, when, quantity) for name, (category, quantity) in _summed(items).items()
        }
        products.trim(when)
        customer.products = pack_products(products)
        return sorted(answered - {NOT_DUE})

    def _buy(self, products: Products, name: str, category: str | None, when: int, quantity: float) -> int:
        """When the trigger was due that this answers; NOT_DUE."""
        known = products.regulars.get(name)
        told = known.due if known is not None and known.told else NOT_DUE
        regular = products.buy(name, category, when, quantity)
        if regular is None or regular.told:
            return NOT_DUE
        self._plan(regular)
        return told

    def answer(self, customer_id: str, customer: Customer, dues: list[int], cause: dict[str, Any]) -> None:
        """A product of each trigger that was due then was bought again."""
        for due in dues:
            told = partial(self._told_at, due * 1000)
            self._emit.cancel_where(customer_id, customer, told, "it was bought again", cause)

    def _told_at(self, due: int, opened: OpenTrigger) -> bool:
        return opened.rule == self._rule.NAME and opened.due_at == due

    def taken_back(self, customer: Customer, order: RecentOrder) -> None:
        """An order was cancelled or refunded as a whole: its products are as if it had not been.

        What was due before now stays silent: whoever sent the order back knows that there is none.
        """
        products = unpack_products(customer.products)
        for regular in products.take_back(seconds(order.at)):
            self._plan(regular)
            regular.told = regular.due * 1000 <= self._emit.now
        customer.products = pack_products(products)

    def replan(self, customer: Customer) -> None:
        """Rules or parameters have changed. What was told stays told."""
        if customer.products:
            products = unpack_products(customer.products)
            for regular in products.regulars.values():
                if not regular.told:
                    self._plan(regular)
            customer.products = pack_products(products)

    def _plan(self, regular: Regular) -> None:
        regular.due = NOT_DUE
        if self._rule.enabled and regular.days >= self._rule.min_purchases:
            found = lasts(self._prior, regular)
            if found.days <= LONGEST and found.spread <= self._rule.spread:
                after = found.days * DAY
                early = min(self._lead, after / 2)  # of what lasts a week nobody is told on the day after
                regular.due = seconds(1000 * (regular.last + max(round(after - early), DAY)))

    # -- what is due

    def fire(self, customer_id: str, customer: Customer, orders: Orders, due: int, live_from: int) -> None:
        """Tell what is due at `due`, but not of an imported customer what was due before `live_from`."""
        products = unpack_products(customer.products)
        waiting = products.waiting()
        first = waiting[0].due
        joined = [one for one in waiting if one.due <= first + self._together]
        for one in joined:
            one.told, one.due = True, first
        customer.products = pack_products(products)
        if not (due <= orders.muted_until or (orders.imported and due < live_from)):
            self._tell(customer_id, customer, orders, joined, first * 1000)

    def _tell(self, customer_id: str, customer: Customer, orders: Orders, joined: list[Regular], due: int) -> None:
        found = [(one, lasts(self._prior, one)) for one in joined]
        first, others = found[0], found[1:]
        order = next((one for one in orders.recent if seconds(one.at) == first[0].last), None)
        evidence: dict[str, Any] = {
            **_figures(*first),
            "days_since": round((due / 1000 - first[0].last) / DAY, 1),
            "also_due": [_figures(*other) for other in others],
            "orders": orders.count,
            "parameters": self._version,
        }
        if order is not None:
            evidence["last_order_event"] = order.event_id
        self._emit.trigger(
            customer,
            rule=self._rule,
            ref=self._ref,
            trigger_id=trigger_id(self._ref, customer_id, f"{first[0].last}|{first[0].product_id}"),
            customer_id=customer_id,
            due=due,
            since=NEVER,  # an order of something else contradicts nothing
            order_id=order.order_id if order is not None else None,
            evidence=evidence,
            reason=_sentence(*first, due, [one.product_id for one, _ in others]),
        )


def _summed(items: list[OrderItem]) -> dict[str, Item]:
    """Each product of an order once."""
    found: dict[str, Item] = {}
    for item in items:
        category, quantity = found.get(item.product_id, (None, 0.0))
        found[item.product_id] = item.category or category, quantity + item.quantity
    return found


def _figures(one: Regular, last: Lasts) -> dict[str, Any]:
    return {
        "product_id": one.product_id,
        "category": one.category,
        "purchases": one.days,
        "quantity": float(f"{one.quantity:.3g}"),
        "last_bought_at": iso(one.last * 1000),
        "usual_days": round(last.days, 1),
        "usual_days_low": round(last.low, 1),
        "usual_days_high": round(last.high, 1),
        "expected_at": iso(round(one.last + last.days * DAY) * 1000),
    }


def _sentence(one: Regular, last: Lasts, due: int, others: list[str]) -> str:
    usual = f"{spell(round(last.days * DAY) * 1000)} ({last.low:.0f} to {last.high:.0f})"
    rhythm = f"every {usual}" if one.quantity == 1.0 else f"again {usual} after buying {one.quantity:.3g}"
    also = f"; due with it: {', '.join(others)}" if others else ""
    return f"usually buys {one.product_id} {rhythm}; last bought {spell(due - one.last * 1000)} ago{also}"
