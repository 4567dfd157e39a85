"""The states of one partition's customers, packed, and the timers over them.

A batch works on decoded copies; what it changed is packed by `changes` and takes the place of the old by `adopt`, which
is called when the changes are durable. A copy is packed as soon as nobody needs it decoded (`close`): right after its
event it lies in the processor's cache, at the end of the batch it does not, which would cost twice as much.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from tables.customer import NEVER, Customer, pack, read_head, unpack, with_wake

Change = tuple[bytes, bytes | None]
"""A customer's key and the new packed state; None: erased."""

_LEAST_HEAP = 10_000
"""Entries from which on it is worth looking for twins among them."""


class States:
    """The customers of one partition by key (the customer id in UTF-8), and a heap of (wake, key).

    `plan` is the fingerprint of rules and parameters that timers depend on: a state that was planned by another one
    wakes at once (wake 0), to be planned anew.
    """

    def __init__(self, plan: int) -> None:
        self.plan = plan
        self._packed: dict[bytes, bytes] = {}
        self._changed: dict[bytes, bytes | None] = {}
        """What this batch has changed and closed; None: erased."""
        self._erased: set[bytes] = set()
        """Who was erased in this batch, also if known again since."""
        self._open: dict[bytes, Customer] = {}
        self.heap: list[tuple[int, bytes]] = []
        self._heap_room = _LEAST_HEAP
        """With more entries there are twins among them: who is woken early again and again, with one late date."""

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
        newest = dict(changes)
        erased = [key for key, value in newest.items() if value is None]
        self._packed.update(newest)  # type: ignore[arg-type] # None does not stay
        for key in erased:
            del self._packed[key]

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
        self._heap_room = _LEAST_HEAP + 2 * len(heap)
        self._forget_batch()

    def _forget_batch(self) -> None:
        self._open.clear()
        self._changed.clear()
        self._erased.clear()

    def open(self, key: bytes) -> Customer:
        """The customer's state, open for change until it is closed or the batch ends."""
        customer = self._open.get(key)
        if customer is None:
            packed = self._newest(key)
            customer = self._open[key] = Customer(wake=NEVER) if packed is None else unpack(packed)
        return customer

    def _newest(self, key: bytes) -> bytes | None:
        changed = self._changed
        return changed[key] if key in changed else self._packed.get(key)

    def close(self, key: bytes, customer: Customer) -> None:
        """Pack an open customer, whom nothing else refers to: what is done to this copy later is lost."""
        del self._open[key]
        self._changed[key] = pack(customer, self.plan)

    def erase(self, key: bytes) -> None:
        """Forget the customer; the change is a tombstone."""
        self._open.pop(key, None)
        self._changed[key] = None
        self._erased.add(key)

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

        The customer is a copy that `open` would give, but is not open yet: `put_off` or `touch` it.
        """
        wake, key = heappop(self.heap)
        customer = self._open.get(key)
        if customer is None:
            packed = self._newest(key)
            if packed is None or read_head(packed)[1] != wake:
                return None
            customer = unpack(packed)
        return (wake, key, customer) if customer.wake == wake else None

    def put_off(self, key: bytes, customer: Customer, wake: int) -> None:
        """Nothing was due yet: wake the popped customer at `wake` instead. No change that must be made durable."""
        customer.wake = wake
        if key not in self._open:
            changed = self._changed.get(key)
            if changed is not None:
                self._changed[key] = with_wake(changed, wake)
            else:
                self._packed[key] = with_wake(self._packed[key], wake)
        if wake < NEVER:
            heappush(self.heap, (wake, key))

    def touch(self, key: bytes, customer: Customer) -> None:
        """Open the customer that `pop` gave."""
        self._open[key] = customer

    def changes(self) -> list[Change]:
        """What the batch has changed; what is still open is closed."""
        for key, customer in list(self._open.items()):
            self.close(key, customer)
        known = self._packed
        for key in [key for key in self._erased if self._changed[key] is None and key not in known]:
            del self._changed[key]  # came and went within the batch
        return list(self._changed.items())

    def adopt(self, changes: list[Change]) -> None:
        """The changes are durable: they are the state now."""
        self.restore(changes)
        self._forget_batch()
        if len(self.heap) > self._heap_room:
            self.heap = list(set(self.heap))
            heapify(self.heap)
            self._heap_room = _LEAST_HEAP + 2 * len(self.heap)
