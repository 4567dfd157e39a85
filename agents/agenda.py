"""When the customers of one partition are looked at next.

By the rules and parameters in force; after a change of parameters by those of before, until a customer's turn comes
(`agents.sweep`) or its timer goes off.
"""

from collections.abc import Callable
from typing import Final

from agents.rulebook.rules import Rules
from agents.sweep import Sweep
from agents.triggers.replenish import Replenish
from agents.triggers.repurchase import Repurchase
from tables.customer import NEVER, Customer
from tables.parameters import Parameters
from tables.productform import IDLE
from tables.retention import BROWSING, forget_at
from tables.states import States

TOGETHER: Final = 1_000
"""Customers that are replanned at once, and of others that are passed over for it."""
_PARAMETERS: Final = 0xFFF


def plan_fingerprint(rules: Rules, parameters: Parameters) -> int:
    """32 bits over all that due times depend on; a state planned under another value is planned anew.

    The low 12 are of the parameters, and never 0: by rules of the same upper bits, 0 stands for parameters of which no
    more is known than that they may be others.
    """
    return rules.fingerprint & ~_PARAMETERS | int(parameters.fingerprint, 16) % _PARAMETERS + 1


class Agenda:
    """Arms the timers of customers, and closes their states under the plan by which that was done."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._planned = states.plan
        """The fingerprint of rules and parameters in force."""
        self._sweep: Sweep | None = None

    def go_by(
        self,
        repurchase: Repurchase,
        replenish: Replenish,
        wake: Callable[[Customer], int],
        wake_cart: Callable[[Customer], int],
    ) -> None:
        """What decides from here on. `wake`: when any rule looks at a customer next, `wake_cart`: those of the cart."""
        self._repurchase, self._replenish = repurchase, replenish
        self._wake, self._wake_cart = wake, wake_cart

    def change_to(self, plan: int, now: int) -> None:
        """From `now` on (epoch ms) other parameters are in force: all who wait for a timer get a turn to be planned."""
        if self._sweep is None and plan == self._planned:
            return
        self._planned = plan
        self._states.plan = plan & ~_PARAMETERS  # what is closed for another reason may be planned by either
        self._sweep = Sweep(self._states, now)
        self._end_turn()

    def next_look(self, customer: Customer) -> int:
        """When something of the customer is due, or to be forgotten."""
        return min(self._wake(customer), forget_at(customer))

    def close(self, key: bytes, customer: Customer) -> None:
        """Nothing more to do to the customer for now, unless it waits to be planned."""
        if key in self._repurchase.unplanned:
            self._states.hold(key, customer)
        else:
            self._states.close(key, customer)

    def plan(self) -> None:
        """Date those who ordered, all together."""
        states, otherwise = self._states, self._states.plan
        states.plan = self._planned
        for key, customer, due in self._repurchase.plan():
            near = customer.orders is None or due <= customer.orders.last_at + BROWSING
            wake = due if near else min(due, forget_at(customer))
            states.arm(key, customer, wake)
            durable = min(wake, self._wake_cart(customer))
            if customer.products and customer.products[0] != IDLE:
                durable = min(durable, self._replenish.wake(customer))
            states.close(key, customer, durable)
        states.plan = otherwise
        self._end_turn()

    # -- who was planned otherwise

    def replan(self, key: bytes, customer: Customer, due: int) -> None:
        """Set the timer anew of a customer whose timer, of `due`, was taken out. 0: other rules may have set it."""
        customer.wake = NEVER
        self._replan(key, customer, due)

    def _replan(self, key: bytes, customer: Customer, now: int) -> None:
        """`now`: see `Repurchase.replan`."""
        if customer.orders is not None:
            self._repurchase.replan(key, customer, customer.orders, now)
        self._replenish.replan(customer)
        states, otherwise = self._states, self._states.plan
        states.arm(key, customer, self.next_look(customer))
        states.plan = self._planned
        self.close(key, customer)
        states.plan = otherwise

    def replan_others(self, until: int) -> int:
        """Replan whose absence is due before `until` by parameters of before, each as at its own due time: how many.

        To plan them one by one takes a hundred times as long. What comes out is the same: nothing else happens to a
        customer until its timer would go off.
        """
        states, others, many = self._states, list[tuple[int, bytes]](), 0
        if self._sweep is not None:
            until = min(until, self._sweep.next_at)  # who has a turn before is planned in it
        while many < TOGETHER and len(others) < TOGETHER and (popped := states.pop(until)) is not None:
            due, key, customer = popped
            if due and self.next_look(customer) <= due and self.absent_by_others(key, customer, due):
                self.replan(key, customer, due)
                many += 1
            else:
                others.append((due, key))
        for due, key in others:
            states.timers.add(due, key)
        return many

    def same_rules(self, key: bytes) -> bool:
        """Whether a state was planned by these rules, if by other parameters."""
        return (self._states.plan_of(key) ^ self._planned) & ~_PARAMETERS == 0

    def absent_by_others(self, key: bytes, customer: Customer, due: int) -> bool:
        """Whether the customer's absence is due by parameters of before."""
        orders = customer.orders
        if self._sweep is None or orders is None or self._repurchase.wake(orders) > due:
            return False
        return self._awaits_turn(key)

    def _awaits_turn(self, key: bytes) -> bool:
        return key not in self._repurchase.unplanned and self._states.plan_of(key) != self._planned

    def place(self) -> None:
        """Find out whose turn comes when, for some more of them."""
        if self._sweep is not None:
            self._sweep.place()

    def take_turn(self, until: int) -> int | None:
        """Plan anew whose turn it is by then (epoch ms): how many. None: nobody has a turn by then."""
        sweep = self._sweep
        if sweep is None or sweep.next_at > until:
            return None
        now, many = sweep.next_at, 0
        for key in sweep.take():
            if self._awaits_turn(key):
                customer = self._states.open(key)
                many += 1
                if customer.orders is not None:
                    self._replan(key, customer, now)
        self.plan()
        return many

    def _end_turn(self) -> None:
        """Wait for the next turn, if there is one."""
        if self._sweep is not None:
            self._repurchase.plan_by = self._sweep.next_at
            if self._repurchase.plan_by == NEVER:
                self._sweep, self._states.plan = None, self._planned
