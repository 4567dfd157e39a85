"""A core that goes on by other parameters: in turns, nothing twice, nothing lost, wherever batches end."""

from collections import Counter
from datetime import date

import msgspec
import numpy as np
import pytest

from agents.decisions import iso
from agents.sweep import MOST_TURNS, SPREAD, TURN, Sweep
from agents.triggers.repurchase import Repurchase
from tables.customer import NEVER, Customer
from tables.customerform import read_head
from tables.events import AnyEvent
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters
from tests.support.core import HOUR, ROOM, Shop, Style, added, day, order, time_of

SLOWER = msgspec.structs.replace(
    BUILTIN, version="slower", timing=msgspec.structs.replace(BUILTIN.timing, mu0=BUILTIN.timing.mu0 + 0.4)
)
FASTER = msgspec.structs.replace(
    BUILTIN,
    version="faster",
    timing=msgspec.structs.replace(BUILTIN.timing, mu0=BUILTIN.timing.mu0 - 0.4),
    clock=((date(2024, 1, 1), 1.0), (date(2024, 3, 25), 1.6), (date(2024, 4, 1), 1.0)),
)
ABSENCE = {"repurchase.due", "repurchase.overdue", "first_purchase.lapsed"}


def busy(customers: int = 300, *, style: Style = "one batch", adopted: dict[float, Parameters] | None = None) -> Shop:
    """A shop of a year whose parameters change on some days; then nobody comes for three years."""
    rng = np.random.default_rng(7)
    events: list[AnyEvent] = []
    for number in range(customers):
        at = float(rng.uniform(0, 120))
        for count in range(int(rng.integers(1, 7))):
            name = f"{number}-{count}"
            events.append(order(day(at), customer=f"c{number}", order_id=name, event_id=name))
            if rng.random() < 0.3:
                events.append(added(day(at + 0.1), customer=f"c{number}", event_id=f"cart-{name}"))
            at += float(rng.uniform(2, 60))
    events.sort(key=lambda event: (time_of(event), event.event_id))
    shop, changes = Shop(style=style), sorted((adopted or {}).items())
    for event in events:
        while changes and day(changes[0][0]) <= time_of(event):
            when, parameters = changes.pop(0)
            shop.wait_until(day(when))
            shop.adopt(parameters)
        shop.send(event)
    shop.wait_until(day(1500))
    return shop


def told(shop: Shop) -> Counter[tuple[str, str, object]]:
    """How often each absence was told."""
    return Counter((t.customer_id, t.type, t.order_id) for t in shop.triggers if t.type in ABSENCE)


CHANGES = {60.0: SLOWER, 60.1: FASTER, 90.0: BUILTIN, 100.05: SLOWER, 130.0: FASTER}


def test_nothing_is_told_twice_and_nothing_that_stays_due_is_lost() -> None:
    shop, last = busy(adopted=CHANGES), busy(adopted={0.0: FASTER})
    assert max(told(shop).values()) == 1
    ends = {shop.orders(f"c{number}").recent[-1].order_id for number in range(300)}
    found = {key for key in told(shop) if key[2] in ends}
    assert len(found) > 500
    assert found == {key for key in told(last) if key[2] in ends}
    assert {t.evidence["parameters"] for t in shop.triggers if t.type in ABSENCE} == {
        "builtin-1",
        "slower",
        "faster",
    }


def test_where_batches_end_plays_no_part() -> None:
    whole, parted = (busy(120, style=style, adopted=CHANGES) for style in ("one batch", "batch per event"))
    assert [msgspec.json.encode(d) for d in whole.decisions] == [msgspec.json.encode(d) for d in parted.decisions]


def test_a_restart_at_any_moment_loses_and_repeats_nothing() -> None:
    whole, restarted = (busy(60, style=style, adopted=CHANGES) for style in ("one batch", "restart per event"))
    assert max(told(restarted).values()) == 1
    assert told(whole).keys() == told(restarted).keys()
    assert not [d for d in restarted.triggers if isinstance(d.suppressed_by, str)]


def test_the_same_numbers_under_another_name_move_nobody() -> None:
    shop = Shop()
    shop.send(*(order(day(0), customer=f"c{number}") for number in range(20)))
    shop.adopt(msgspec.structs.replace(BUILTIN, version="renamed"))
    assert shop.core.next_due > day(1)
    changes = len(shop.changelog)
    shop.wait_until(day(2))
    assert len(shop.changelog) == changes
    shop.wait_until(day(1000))
    assert {t.evidence["parameters"] for t in shop.triggers} == {"renamed"}


def test_who_is_suddenly_due_is_told_in_turn_and_not_as_stale() -> None:
    shop = Shop()
    for number in range(600):
        shop.send(order(day(0) + number, customer=f"c{number}"), order(day(20) + number, customer=f"c{number}"))
    due = {shop.orders(f"c{number}").overdue_at for number in range(1) if not shop.settle()}
    assert min(due) > day(100)
    began = day(99)
    shop.wait_until(began)
    much = msgspec.structs.replace(BUILTIN.timing, mu0=0.0, tau2=0.1)
    shop.adopt(msgspec.structs.replace(BUILTIN, version="much faster", timing=much))
    shop.wait_until(began + SPREAD)
    sudden = [t for t in shop.triggers if t.type == "repurchase.overdue"]
    assert len(sudden) == 600
    assert not [t for t in sudden if isinstance(t.suppressed_by, str)]
    assert len({t.due_at for t in sudden}) == 600 // TURN
    assert iso(began) < min(t.due_at for t in sudden)


@pytest.mark.parametrize("hours", [-1, 0, 1, 3, 5.9])
def test_whose_timer_goes_off_before_its_turn_is_planned_then(hours: float) -> None:
    shop = Shop()
    for number in range(5 * TURN):
        shop.send(order(day(0), customer=f"c{number}", event_id=f"e{number}", order_id=f"o{number}"))
    shop.settle()
    lapses = shop.orders("c0").overdue_at
    shop.wait_until(lapses - round(hours * HOUR))
    shop.adopt(FASTER if hours == 3 else msgspec.structs.replace(SLOWER, timing=FASTER.timing))
    shop.wait_until(lapses + SPREAD)
    assert [t.type for t in shop.triggers] == ["first_purchase.lapsed"] * (5 * TURN)
    assert len(told(shop)) == 5 * TURN
    assert not [t for t in shop.triggers if isinstance(t.suppressed_by, str)]
    names = {t.evidence["parameters"] for t in shop.triggers}
    assert names == {"builtin-1" if hours <= 0 else shop.parameters.version}


@pytest.mark.interpreted
@pytest.mark.parametrize("carts", [0, 7])
def test_many_whose_timers_go_off_before_their_turn_are_planned_together(
    carts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as they would be one by one."""

    def shop_of(together: int) -> tuple[Shop, int]:
        monkeypatch.setattr("agents.agenda.TOGETHER", together)
        shop, calls = Shop(), 0
        for number in range(400):
            shop.send(order(day(0) + number, customer=f"c{number}", event_id=f"e{number}", order_id=f"o{number}"))
        shop.settle()
        lapses = shop.orders("c0").overdue_at
        for number in range(carts):
            at = lapses - 4 * HOUR + 10 * number
            shop.send(added(at, customer=f"c{number}", event_id=f"cart-{number}"))
        shop.wait_until(lapses - HOUR)
        shop.adopt(msgspec.structs.replace(SLOWER, clock=FASTER.clock))
        plan = Repurchase.plan

        def counted(self: Repurchase) -> list[tuple[bytes, Customer, int]]:
            nonlocal calls
            calls += bool(self.unplanned)
            return plan(self)

        with monkeypatch.context() as patch:
            patch.setattr(Repurchase, "plan", counted)
            shop.wait_until(lapses + 1000)
        shop.wait_until(lapses + 500 * DAY)
        return shop, calls

    one_by_one, many = shop_of(1)
    together, few = shop_of(1000)
    assert many > 100
    assert few <= 2 + carts
    assert len(together.triggers) == 400 + carts
    assert by_customer(together) == by_customer(one_by_one)


def by_customer(shop: Shop) -> dict[str, list[tuple[str, str, object]]]:
    found: dict[str, list[tuple[str, str, object]]] = {}
    for one in shop.triggers:
        found.setdefault(one.customer_id, []).append((one.type, one.due_at, one.evidence))
    return found


def test_a_turn_is_no_longer_than_there_is_room() -> None:
    shop = Shop()
    for number in range(1000):
        shop.send(order(day(0) + number, customer=f"c{number}"), order(day(20) + number, customer=f"c{number}"))
    shop.wait_until(day(30))
    shop.adopt(SLOWER)
    rounds = 0
    while not shop.core.advance(day(30) + SPREAD + 1, TURN):
        assert len(shop.core.settle().changes) < 2 * TURN + 50
        shop.core.adopt()
        rounds += 1
    assert rounds >= 1000 // (2 * TURN)


def test_who_was_planned_anew_is_so_after_a_restart() -> None:
    shop = Shop()
    for number in range(300):
        shop.send(order(day(0) + number, customer=f"c{number}"), order(day(20) + number, customer=f"c{number}"))
    shop.wait_until(day(21))
    shop.adopt(SLOWER)
    shop.send(added(day(21) + 1, customer="c5"))
    shop.wait_until(day(21, 7))
    planned = {key: read_head(value) for key, value in shop.durable.items()}
    restarted = Shop(parameters=SLOWER)
    restarted.durable = dict(shop.durable)
    restarted.reached = day(21, 7)
    restarted.restart()
    assert len({plan for plan, _ in planned.values()}) == 1
    assert restarted.core.next_due > day(21)
    fresh = Shop(parameters=SLOWER)
    for number in range(300):
        fresh.send(order(day(0) + number, customer=f"c{number}"), order(day(20) + number, customer=f"c{number}"))
    fresh.settle()
    assert fresh.orders("c7").overdue_at == shop.orders("c7").overdue_at


@pytest.mark.parametrize("count", [0, 1, TURN - 1, 5 * TURN, 20 * TURN])
def test_everybody_has_one_turn(count: int) -> None:
    keys = [b"customer-%d" % number for number in range(count)]
    sweep, times, seen = Sweep(keys, day(3)), [], []
    while sweep.next_at != NEVER:
        times.append(sweep.next_at)
        sweep.place(TURN)
        seen += sweep.take()
    assert sorted(seen) == sorted(keys)
    assert times == sorted(set(times))
    assert len(times) <= MOST_TURNS
    assert not times or (times[0] > day(3) and times[-1] == day(3) + SPREAD)


def test_an_order_in_between_is_planned_by_the_new_ones_at_once() -> None:
    shop, plain = Shop(), Shop(parameters=SLOWER)
    for one in (shop, plain):
        one.send(order(day(0), order_id="a", event_id="a"))
    shop.adopt(SLOWER)
    for one in (shop, plain):
        one.send(order(day(0) + HOUR, order_id="b", event_id="b"), order(day(9), order_id="c", event_id="c"))
        one.settle()
    assert shop.orders() == plain.orders()
    assert shop.core.advance(day(9) + DAY, ROOM)
