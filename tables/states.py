"""The states of one partition's customers, packed, and the timers over them.

A batch works on decoded copies; what it changed is packed by `changes` and takes the place of the old by `adopt`, which
is called when the changes are durable.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from tables.customer import NEVER, Customer, pack, read_head, unpack, with_wake

Change = tuple[bytes, bytes | None]
"""A customer's key and the new packed state; None: erased."""


class States:
    """The customers of one partition by key (the customer id in UTF-8), and a heap of (wake, key).

    `plan` is the fingerprint of rules and parameters that timers depend on: a state that was planned by another one
    wakes at once (wake 0), to be planned anew.
    """

    def __init__(self, plan: int) -> None:
        self.plan = plan
        self._packed: dict[bytes, bytes] = {}
        self._touched: dict[bytes, Customer | None] = {}
        self.heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._packed)

    def read(self, key: bytes) -> Customer | None:
        """A copy of the durable state; None for an unknown customer."""
        packed = self._packed.get(key)
        return None if packed is None else unpack(packed)

    def restore(self, changes: Iterable[Change]) -> None:
        """Take in changelog records, oldest first; `ready` must follow."""
        packed = self._packed
        for key, value in changes:
            if value is None:
                packed.pop(key, None)
            else:
                packed[key] = value

    def ready(self) -> None:
        """Build the timers from the heads of the states; raises `StateError` for a form this version cannot read."""
        heap = []
        for key, packed in self._packed.items():
            plan, wake = read_head(packed)
            if plan != self.plan and wake:
                wake = 0
                self._packed[key] = with_wake(packed, 0)
            if wake < NEVER:
                heap.append((wake, key))
        heapify(heap)
        self.heap = heap
        self._touched.clear()

    def open(self, key: bytes) -> Customer:
        """The customer's state, open for change in this batch."""
        customer = self._touched.get(key)
        if customer is None:
            packed = self._packed.get(key)
            fresh = packed is None or key in self._touched  # the latter: erased in this batch
            customer = Customer(wake=NEVER) if packed is None or fresh else unpack(packed)
            self._touched[key] = customer
        return customer

    def erase(self, key: bytes) -> None:
        """Forget the customer; the change is a tombstone."""
        self._touched[key] = None

    def arm(self, key: bytes, customer: Customer, wake: int) -> None:
        """Wake the customer at `wake` at the latest; a later one than is armed shows when the earlier one wakes."""
        if wake < customer.wake:
            customer.wake = wake
            heappush(self.heap, (wake, key))

    @property
    def next_wake(self) -> int:
        return self.heap[0][0] if self.heap else NEVER

    def pop(self) -> tuple[int, bytes, Customer] | None:
        """The next of the heap, taken off; None when its customer has been armed otherwise since.

        The customer is a copy that `open` would give, but is not open yet: `put_off` or `open` it.
        """
        wake, key = heappop(self.heap)
        if key in self._touched:
            customer = self._touched[key]
            return None if customer is None or customer.wake != wake else (wake, key, customer)
        packed = self._packed.get(key)
        if packed is None or read_head(packed)[1] != wake:
            return None
        return wake, key, unpack(packed)

    def put_off(self, key: bytes, customer: Customer, wake: int) -> None:
        """Nothing was due yet: wake the popped customer at `wake` instead. No change that must be made durable."""
        customer.wake = wake
        if key not in self._touched:
            self._packed[key] = with_wake(self._packed[key], wake)
        if wake < NEVER:
            heappush(self.heap, (wake, key))

    def touch(self, key: bytes, customer: Customer) -> None:
        """Open the customer that `pop` gave."""
        self._touched[key] = customer

    def changes(self) -> list[Change]:
        """What the batch has changed."""
        plan = self.plan
        known = self._packed
        return [
            (key, None if customer is None else pack(customer, plan))
            for key, customer in self._touched.items()
            if customer is not None or key in known
        ]

    def adopt(self, changes: list[Change]) -> None:
        """The changes are durable: they are the state now."""
        self.restore(changes)
        self._touched.clear()
