"""What reached a bound: so that a customer who costs more than any person is heard of. Nothing is decided by it."""

from typing import Literal, NamedTuple

Bound = Literal["cart", "message", "customer"]
"""A cart holds as many products as are kept; a message held more than are read; more events than a person sends."""


class Notice(NamedTuple):
    """So many events reached a bound; the last of them was this customer's."""

    events: int
    customer_id: str


class Notices:
    """Gathers while a batch is worked on, a notice for each bound."""

    def __init__(self) -> None:
        self._found: dict[Bound, Notice] = {}

    def add(self, bound: Bound, customer_id: str, events: int = 1) -> None:
        before = self._found.get(bound)
        self._found[bound] = Notice(events + (before.events if before else 0), customer_id)

    def take(self) -> dict[Bound, Notice]:
        """What has gathered; it starts anew."""
        found, self._found = self._found, {}
        return found
