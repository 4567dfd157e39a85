"""Hears what aiokafka's group coordinator keeps to itself.

It tells its errors to who calls aiokafka's own `getmany`, which Faust does not, and stands still until they are heard:
a worker that is refused would hang without a word. Private attributes of aiokafka 0.14.0.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError

from streams.brokers import whereabouts
from streams.brokers.refusals import FAILURE, refusal, refused
from streams.errors import AGAIN
from streams.settings import Settings

log = logging.getLogger(__name__)

AWAY_SECONDS = 2.0
"""A coordinator that moves to another broker is found again sooner."""
ASK_SECONDS = 5.0
"""After so long without an answer, and so often from then on, a log-in tells why."""
REPEAT_SECONDS = 60.0
FROZEN_SECONDS = 3.0
"""A process that stood still for less, or for less than its session, still has its partitions."""


class GroupWatch:
    """Looked at now and then, in the thread that the consumer runs in. `fatal(code, message)` ends the process."""

    def __init__(self, settings: Settings, fatal: Callable[[int, str], None]) -> None:
        self._settings, self._fatal = settings, fatal
        self._options = settings.client_options()
        self.away = True
        """No broker answers for the group: nothing can be committed."""
        self._seen: float | None = None
        self._gone_since: float | None = None
        self._asked = 0.0
        self._known: whereabouts.Places = frozenset()
        self._said_away = False
        self._said: tuple[str, float] = "", 0.0

    def look(self, consumer: Any) -> None:
        """Say what has happened to the group since the last time."""
        self._fence()
        coordinator = consumer._coordinator  # noqa: SLF001 - see above
        self._known = whereabouts.known(consumer._client.cluster)  # noqa: SLF001
        self.away = coordinator.coordinator_id is None
        if self.away:
            self._is_away()
        else:
            self._is_there()
        try:
            coordinator.check_errors()
        except KafkaError as exc:
            if coordinator._coordination_task.done():  # noqa: SLF001 - see above
                self._fatal(70, f"the group's coordination has ended: {exc}")
            self.hear(exc)
            consumer._client.force_metadata_update()  # noqa: SLF001 - what was known may have been incomplete

    async def confirm(self, consumer: Any) -> bool:
        """Ask the group, now, whether this worker is a member and nothing is being assigned anew. Raises KafkaError."""
        coordinator = consumer._coordinator  # noqa: SLF001
        if not coordinator.member_id:
            return False
        known: bool = await coordinator._do_heartbeat()  # noqa: SLF001
        return known and not coordinator.need_rejoin(consumer._subscription.subscription)  # noqa: SLF001

    async def ask_why(self) -> None:
        """When no broker answers for long: what was right when the clients were made may no longer be.

        Passwords and certificates are changed in the meantime, and clients keep those that they began with. Brokers are
        moved, and clients look for them where they were.
        """
        now = time.monotonic()
        if self._gone_since is None or now - max(self._gone_since, self._asked) < ASK_SECONDS:
            return
        self._asked = now
        found = await refused(self._settings, options=self._options)
        if found is not None:
            self._fatal(FAILURE, found[1])
            return
        places = await whereabouts.found(self._options)
        if self._known and places and not places & self._known:
            where = ", ".join(f"{host}:{port}" for host, port in sorted(places))
            self._fatal(AGAIN, f"the brokers are elsewhere now, at {where}: a worker that starts again finds them")

    @property
    def frozen(self) -> float:
        """Seconds for which this process stood still, if others may have its partitions by now; else 0."""
        seconds = time.monotonic() - self._seen if self._seen is not None else 0.0
        return seconds if seconds > max(FROZEN_SECONDS, self._settings.session_timeout / 1000) else 0.0

    def _fence(self) -> None:
        """Without transactions nobody else keeps a worker from writing that comes to again: leave at once."""
        if self._settings.delivery == "at_least_once" and (seconds := self.frozen):
            self._fatal(AGAIN, f"this process stood still for {seconds:.0f} s: other workers may have its partitions")
        self._seen = time.monotonic()

    def hear(self, exc: KafkaError) -> None:
        """An error that may pass is said; one that will not ends the process."""
        found = refusal(exc, self._settings)
        if found is not None:
            self._fatal(*found)
            return
        text, now = repr(exc), time.monotonic()
        if self._said[0] != text or now - self._said[1] > REPEAT_SECONDS:
            self._said = text, now
            log.warning("group %s: %s; trying again", self._settings.group_id, text)

    def _is_away(self) -> None:
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
        if not self._said_away and now - self._gone_since >= AWAY_SECONDS:
            self._said_away = True
            log.warning(
                "waiting: no broker at %s answers for group %s", self._settings.brokers, self._settings.group_id
            )

    def _is_there(self) -> None:
        if self._said_away:
            log.warning("a broker answers: going on")
        self._gone_since, self._said_away = None, False
