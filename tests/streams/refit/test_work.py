"""The process's work on real samples: what is better is adopted, what is no better is not and says so."""

import random
from functools import cache

import msgspec
import pytest

from agents.learning.sample import Sample
from agents.learning.sampling import take_sample
from streams.refit.child import Answer, Task
from streams.refit.work import work
from tables.clock import CALENDAR
from tables.customer import Customer
from tables.customerform import pack
from tables.orderchanges import add_order
from tables.orders import RecentOrder
from tables.parameters import BUILTIN, Parameters
from tables.states import States

DAY = 86_400_000
MONDAY = 1_600_041_600_000


@cache
def sample(number: int, partitions: int = 2, days: int = 140, customers: int = 300) -> Sample:
    """Of a partition of a shop whose customers order about weekly, until they stop."""
    rng = random.Random(7)
    states, packed = States(1), {}
    for one in range(customers):
        at, orders = MONDAY + rng.randrange(60 * DAY), None
        while at < MONDAY + days * DAY and rng.random() < 0.93:
            orders = add_order(orders, RecentOrder(f"{one}-{at}", f"e{at}", at, rng.lognormvariate(3, 0.4)), CALENDAR)
            at += round(7 * DAY * rng.lognormvariate(0, 0.25))
        if orders is not None and one % partitions == number:
            packed[b"customer-%d" % one] = pack(Customer(orders=orders), 1)
    states.restore(packed)
    return take_sample(states, MONDAY + days * DAY)


def ask(current: Parameters = BUILTIN, *, days: int = 140, every: int = 28) -> Answer:
    samples = [sample(number, days=days).encode() for number in range(2)]
    task = Task(current=msgspec.json.encode(current), samples=samples, until=MONDAY + days * DAY, every=every * DAY)
    return work(task)


def test_a_shop_that_the_built_in_parameters_do_not_know_is_learnt() -> None:
    answer = ask()
    assert answer.parameters is not None
    assert (answer.tried, answer.adopted) == (True, True)
    assert answer.parameters.version == "live-2021-02-01T00:00Z"
    assert answer.before is not None
    assert answer.after is not None
    assert answer.before.gaps == answer.after.gaps > 0
    assert answer.after.ln_likelihood > answer.before.ln_likelihood
    assert answer == ask(), "two leaders come to the same"


def test_what_is_no_better_on_who_is_held_back_is_not_adopted_and_says_so() -> None:
    learnt = ask().parameters
    assert learnt is not None
    again = ask(msgspec.structs.replace(learnt, live=None))
    assert (again.tried, again.adopted) == (True, False)
    assert again.why.startswith("the rhythm stays, as ")
    assert again.parameters is None or again.parameters.timing == learnt.timing


@pytest.mark.parametrize(("every", "tried"), [(28, False), (7, True)])
def test_the_setting_says_how_often(every: int, tried: bool) -> None:
    learnt = ask().parameters
    assert learnt is not None
    assert ask(learnt, days=154, every=every).tried == tried


def test_nothing_at_all_is_an_error() -> None:
    task = Task(current=msgspec.json.encode(BUILTIN), samples=[b"rubbish"], until=MONDAY, every=DAY)
    with pytest.raises(ValueError, match="sample"):
        work(task)
