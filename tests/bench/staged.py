"""Customers made for a purpose: such as wait for an instant to come, and such as are about to order far too little."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

from agents.core import Core
from agents.rulebook.rules import Rules
from tables.customer import NEVER
from tables.customerform import read_head
from tables.events import CARTS, PURCHASES, SOURCES, AnyEvent, CartItemAdded, OrderCompleted, OrderItem
from tables.orders import DAY
from tables.parameters import BUILTIN
from tables.states import Change

USUAL = 45.0
"""Money; the orders of the regulars."""
_HISTORY = 8
_HOUR = 3_600_000


def regular_id(number: int) -> str:
    return f"w{number:08d}"


def regulars(count: int, now: int) -> Iterator[Change]:
    """Customers who have ordered for about the same every week, and did so three days before `now` (epoch ms)."""
    core = Core(Rules(), BUILTIN)
    for number in range(_HISTORY):
        at = now - 3 * DAY - 7 * DAY * (_HISTORY - 1 - number)
        _take(core, number, "regular", _order("regular", number, at, USUAL + number % 2), at)
    (packed,) = core.settle().changes.values()
    return ((regular_id(number).encode(), packed) for number in range(count))


def due_id(number: int) -> str:
    return f"t{number:08d}"


def due(count: int, at: int) -> list[Change]:
    """Customers whose timers go off one after the other in the second from `at` (epoch ms) on.

    Every other one has left a cart (`cart.abandoned`), the others have ordered once (`first_purchase.lapsed`).
    """
    core, lapse = Core(Rules(), BUILTIN), _time_to_lapse()
    for number in range(count):
        customer, instant = due_id(number), at + 1000 * number // count
        if number % 2:
            began = instant - lapse
            _take(core, number, customer, _order(customer, number, began, USUAL), began)
        else:
            began = instant - Rules().cart_abandoned.after
            event = CartItemAdded(
                event_id=f"a{number}", customer_id=customer, occurred_at=began, product_id="p1", quantity=1, price=USUAL
            )
            _take(core, number, customer, event, began)
    return list(core.settle().changes.items())


def _time_to_lapse() -> int:
    """From a first order to its trigger, ms."""
    core, at = Core(Rules(), BUILTIN), 1000 * DAY
    _take(core, 0, "first", _order("first", 0, at, USUAL), at)
    (packed,) = core.settle().changes.values()
    assert packed is not None
    return read_head(packed)[1] - at


def asleep(packed: Sequence[bytes], count: int, now: int) -> Iterator[Change]:
    """So many customers with a timer that is not due within the hour from `now` (epoch ms) on, of these states."""
    waiting = [state for state in packed if now + _HOUR < read_head(state)[1] < NEVER]
    return ((f"s{number:08d}".encode(), state) for number, state in enumerate(islice(cycle(waiting), count)))


def _order(customer: str, number: int, at: int, total: float) -> OrderCompleted:
    return OrderCompleted(
        event_id=f"e-{customer}-{number}",
        customer_id=customer,
        occurred_at=at,
        order_id=f"o-{customer}-{number}",
        total=total,
        currency="EUR",
        items=[OrderItem(product_id="p1", quantity=1)],
    )


def _take(core: Core, number: int, customer: str, event: AnyEvent, at: int) -> None:
    source = PURCHASES if isinstance(event, OrderCompleted) else CARTS
    core.emitter.now = max(core.emitter.now, at)
    core.take(SOURCES.index(source), number, customer.encode(), event, at)
