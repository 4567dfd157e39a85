"""Which partitions a reader has lost to others."""

import logging
from collections.abc import Iterable
from typing import Any

from kafka import ConsumerRebalanceListener

log = logging.getLogger(__name__)


class Moved(ConsumerRebalanceListener):  # type: ignore[misc] # it ships no types
    """Gathers the partitions that went away, whether or not they have come back since.

    One that the group gives to the same reader again keeps its position in kafka-python 3, also when all are said to be
    revoked (assignors that are not cooperative): nobody else had it, so what is held of it stays.
    """

    def __init__(self) -> None:
        self._owned: set[Any] = set()
        self._gone: set[Any] = set()

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """It is not known yet which of them go away."""

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        now = set(assigned)
        self._gone |= self._owned - now
        self._owned = now
        log.info("reading %d partitions", len(now))

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        self._gone |= set(lost)
        self._owned = set()

    def take(self) -> set[Any]:
        found, self._gone = self._gone, set()
        return found
