"""The states of one partition's customers, packed, and the timers over them.

A batch works on decoded copies, which `close` packs and puts in the place of the old: right after its event a copy lies
in the processor's cache, at the end of the batch it does not, which would cost twice as much. `changes` are to be made
durable; when that fails, the states are of no use any more and are restored anew.
"""

from collections.abc import Iterator, Mapping

from tables.customer import NEVER, Customer, Visitor
from tables.customerform import (
    pack_away,
    prefix,
    read_head,
    read_wake,
    unpack,
    with_visit,
    with_wake,
)
from tables.timers import Timers
from tables.visitor import unpack_visitor

Change = tuple[bytes, bytes | None]
"""A customer's key and the new packed state; None: erased."""
Changes = dict[bytes, bytes | None]


class States:
    """The customers of one partition by key (the customer id in UTF-8), and a timer for each of them.

    `plan` is the fingerprint of rules and parameters that timers depend on: a state that was planned by another one
    wakes at once (wake 0), to be planned anew.
    """

    def __init__(self, plan: int) -> None:
        self._plan, self._prefix = plan, prefix(plan)
        self.timers = Timers(self._wake_of)
        self._buried: set[bytes] = set()
        self._packed: dict[bytes, bytes] = {}
        self._changed: Changes = {}
        """What this batch has changed and closed."""
        self._new: set[bytes] = set()
        """Who was unknown before this batch."""
        self._held: dict[bytes, Customer] = {}

    @property
    def plan(self) -> int:
        return self._plan

    @plan.setter
    def plan(self, plan: int) -> None:
        if plan != self._plan:
            self._plan, self._prefix = plan, prefix(plan)

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._packed)

    def read(self, key: bytes) -> Customer | None:
        """A copy of the state as it is now, durable or not yet; None for an unknown customer."""
        packed = self._packed.get(key)
        return None if packed is None else unpack(packed)

    def packed(self, key: bytes) -> bytes | None:
        """The packed state as it is now, durable or not yet; None for an unknown customer."""
        return self._packed.get(key)

    def plan_of(self, key: bytes) -> int:
        """The fingerprint by which the customer's timer was set when it was last closed; 0 for an unknown one."""
        packed = self._packed.get(key)
        return 0 if packed is None else read_head(packed)[0]

    def restore(self, newest: Mapping[bytes, bytes | None]) -> None:
        """Take in changelog records: the last value of each key; None: erased. `ready` must follow."""
        packed = self._packed
        packed.update(newest)  # type: ignore[arg-type] # None does not stay
        if None in newest.values():
            dead = [key for key, value in newest.items() if value is None]
            self._buried.update(dead)
            for key in dead:
                del packed[key]

    def buried(self) -> set[bytes]:
        """Of whom `restore` has seen a tombstone, and who has not come back; kept no longer."""
        buried, self._buried = self._buried, set()
        return buried.difference(self._packed)

    def ready(self) -> None:
        """Build the timers from the heads of the states; raises `StateError` for a form this version cannot read."""
        self._forget_batch()
        timers = self.timers = Timers(self._wake_of)
        plan, all_packed = self._prefix[1:], self._packed
        for key, packed in all_packed.items():
            wake = read_wake(packed)
            if wake and packed[1 : len(plan) + 1] != plan:  # planned by another fingerprint: woken at once
                wake = 0
                all_packed[key] = with_wake(packed, 0)
            if wake < NEVER:
                timers.add(wake, key)

    def _wake_of(self, key: bytes) -> int:
        """When the customer is to be woken as it stands; NEVER for who is not, or is not known."""
        customer = self._held.get(key)
        if customer is not None:
            return customer.wake
        packed = self._packed.get(key)
        return NEVER if packed is None else read_wake(packed)

    def _forget_batch(self) -> None:
        self._held.clear()
        self._changed = {}
        self._new.clear()

    def open(self, key: bytes) -> Customer:
        """The customer as this batch has left it: what is done to it counts when it is closed, or while it is held."""
        customer = self._held.get(key)
        if customer is None:
            packed = self._packed.get(key)
            customer = self._unknown(key) if packed is None else unpack(packed)
        return customer

    def open_visitor(self, key: bytes) -> Visitor:
        """The same for an event that looks at nothing else of the customer."""
        customer = self._held.get(key)
        if customer is not None:
            return customer
        packed = self._packed.get(key)
        return self._unknown(key) if packed is None else unpack_visitor(packed)

    def unopened(self, key: bytes) -> bytes | None:
        """The packed state of a customer who is neither unknown nor held."""
        return None if self._held and key in self._held else self._packed.get(key)

    def leave(self, key: bytes, packed: bytes, visit: bytes, wake: int) -> None:
        """A visit waits with an `unopened` customer, who is to be woken at `wake` at the latest."""
        before = read_wake(packed)
        if wake < before:
            self.timers.add(wake, key)
        else:
            wake = before
        self._packed[key] = self._changed[key] = with_visit(packed, visit, wake)

    def _unknown(self, key: bytes) -> Customer:
        if key not in self._changed:  # else it was erased in this batch
            self._new.add(key)
        return Customer(wake=NEVER)

    def hold(self, key: bytes, customer: Customer) -> None:
        """Keep an open customer decoded, until it is closed or the batch ends: somebody still refers to it."""
        self._held[key] = customer

    def close(self, key: bytes, customer: Visitor, due: int = 0) -> None:
        """Pack an open customer, whom nothing else refers to: what is done to this copy later is lost.

        `due`: nothing is due before it, where that is known to be later than the timer that is armed. It is what
        becomes durable: else, after a restart, everybody who has ordered since would be woken at once, for nothing.
        """
        wake = customer.wake
        packed = self._packed[key] = pack_away(customer, self._prefix, wake)
        self._changed[key] = packed if due <= wake else with_wake(packed, due)
        if self._held:
            self._held.pop(key, None)

    def erase(self, key: bytes) -> None:
        """Forget the customer; the change is a tombstone, unless nothing was durable yet."""
        self._held.pop(key, None)
        known = self._packed.pop(key, None) is not None
        if key in self._new:
            self._new.remove(key)
            self._changed.pop(key, None)
        elif known:
            self._changed[key] = None

    def arm(self, key: bytes, customer: Visitor, wake: int) -> bool:
        """Wake the customer at `wake` at the latest; False: a timer of before goes off by then."""
        if wake >= customer.wake:
            return False
        customer.wake = wake
        self.timers.add(wake, key)
        return True

    def pop(self, until: int) -> tuple[int, bytes, Customer] | None:
        """The next timer that goes off before `until`, taken out: when, and whose; None when there is none.

        The customer is one that `open` would give: close it, hold it or `put_off` its timer.
        """
        while (entry := self.timers.pop(until)) is not None:
            wake, key = entry
            customer = self._held.get(key)
            if customer is None:
                packed = self._packed.get(key)
                if packed is None or read_wake(packed) != wake:
                    continue  # armed otherwise since
                customer = unpack(packed)
            if customer.wake == wake:
                return wake, key, customer
        return None

    def put_off(self, key: bytes, customer: Customer, wake: int) -> None:
        """Nothing was due yet: wake the popped customer at `wake` instead. No change that must be made durable."""
        customer.wake = wake
        if key not in self._held:
            packed = self._packed[key] = with_wake(self._packed[key], wake)
            if key in self._changed:
                self._changed[key] = packed
        if wake < NEVER:
            self.timers.add(wake, key)

    def changes(self) -> Changes:
        """What the batch has changed; who is still held is closed. The batch after it gets a dictionary of its own."""
        for key, customer in list(self._held.items()):
            self.close(key, customer)
        return self._changed

    def adopt(self) -> None:
        """The changes are durable."""
        self._forget_batch()
        self.timers.thin_out(len(self._packed))
