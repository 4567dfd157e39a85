"""Makes a message that goes out once of a trigger that may come again. A file to copy; it needs nothing of Offbeat.

A trigger comes again under the same `trigger_id` after a worker's crash (at_least_once), and after the sender's own,
which reads on from its last commit. `Once` keeps in a store who is sending an id and what was sent:

    (nothing) -> claimed, for the length of a lease -> sent, as long as the topics keep the trigger

What no store can know is whether a message went out before a crash between handing it over and noting that. So choose:

- at_least_once: hand over, then note. After such a crash it goes out again when the lease is over.
- at_most_once: note, then hand over. After such a crash it never goes out.

Without such a crash both send it once. If the provider takes an idempotency key, give it the trigger_id, and
at_least_once is exactly once. A lease must be longer than handing over can take: set a time-out there.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol
from uuid import uuid4

log = logging.getLogger(__name__)

SENT = "sent"
DAY = 86_400.0


class NotSentError(RuntimeError):
    """Raised by what hands a message over when it is certain that it did not go out: it may be tried again at once."""


class Verdict(Enum):
    """What became of a trigger."""

    SENT = "sent"
    """Now."""
    BEFORE = "sent before"
    CANCELLED = "cancelled"
    """It does not go out any more."""
    BUSY = "busy"
    """Another sender has it, or had when it crashed: ask again, at the latest after a lease, and commit nothing."""


class Store(Protocol):
    """Texts by key, each for a while. Every method is atomic, whoever else works on the same store."""

    def take(self, key: str, value: str, seconds: float, /) -> str | None:
        """Set it where nothing is set: None. Else what is set; empty when that has gone meanwhile."""

    def get(self, key: str, /) -> str | None: ...

    def replace(self, key: str, old: str, new: str | None, seconds: float, /) -> bool:
        """Put `new` in the place of `old`, None: nothing. False when `old` is not there any more."""


@dataclass(frozen=True)
class Once:
    """`keep`, in seconds: no shorter than the retention of the topics; a trigger that is read again later goes out."""

    store: Store
    lease: float = 60.0
    keep: float = 31 * DAY
    order: Literal["at_least_once", "at_most_once"] = "at_least_once"

    def deliver(self, trigger_id: str, send: Callable[[], None]) -> Verdict:
        """Call `send`, unless it was called for this id before or the trigger was cancelled.

        Raises what `send` does. After `NotSentError` the id is free again, after anything else when the lease is over;
        with at_most_once it never is.
        """
        claim = f"claimed by {uuid4().hex}"
        found = self.store.take(trigger_id, claim, self.lease)
        if found is not None:
            return Verdict.BEFORE if found == SENT else Verdict.BUSY
        if self.store.get(_cancelled(trigger_id)) is not None:  # after the claim: `cancel` looks the other way round
            self.store.replace(trigger_id, claim, None, 0)
            return Verdict.CANCELLED
        if self.order == "at_most_once":
            if not self.store.replace(trigger_id, claim, SENT, self.keep):
                return Verdict.BUSY
            claim = SENT
        try:
            send()
        except NotSentError:
            self.store.replace(trigger_id, claim, None, 0)
            raise
        if claim != SENT and not self.store.replace(trigger_id, claim, SENT, self.keep):
            log.warning("%s took longer than its lease: it may go out twice; make the lease longer", trigger_id)
            self.store.take(trigger_id, SENT, self.keep)
        return Verdict.SENT

    def cancel(self, trigger_id: str) -> Verdict:
        """See to it that it is not sent from now on, also when the cancellation has overtaken the trigger.

        CANCELLED, or BEFORE when it is too late, or BUSY when it is being sent: ask again.
        """
        self.store.take(_cancelled(trigger_id), "cancelled", self.keep)
        found = self.store.get(trigger_id)
        if found is None:
            return Verdict.CANCELLED
        return Verdict.BEFORE if found == SENT else Verdict.BUSY


def _cancelled(trigger_id: str) -> str:
    return f"{trigger_id}:cancelled"


class RedisStore:
    """Redis from 2.6.12 on, or Valkey; `client` is a `redis.Redis`.

    What the server forgets may be sent again: let it evict nothing (`maxmemory-policy noeviction`), and write each
    change to disk (`appendonly yes`, `appendfsync always`); a replica that takes over may lack the newest.
    """

    _REPLACE = """
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        if ARGV[2] == '' then redis.call('DEL', KEYS[1])
        else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        return 1"""

    def __init__(self, client: Any, prefix: str = "offbeat:once:") -> None:
        self._client, self._prefix = client, prefix

    def take(self, key: str, value: str, seconds: float) -> str | None:
        if self._client.set(self._prefix + key, value, nx=True, px=_ms(seconds)):
            return None
        found = self.get(key) or ""
        return None if found == value else found  # the client repeats a command whose answer was lost

    def get(self, key: str) -> str | None:
        found = self._client.get(self._prefix + key)
        return found.decode() if isinstance(found, bytes) else found

    def replace(self, key: str, old: str, new: str | None, seconds: float) -> bool:
        return bool(self._client.eval(self._REPLACE, 1, self._prefix + key, old, new or "", _ms(seconds)))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class SqlStore:
    """A table of ids, in SQLite or PostgreSQL (`mark="%s"`); `connection` is one of DB-API 2.0, for this sender alone.

    Leases are measured by the senders' clocks: keep them in step (NTP), or make the lease longer by what they differ.
    """

    def __init__(
        self, connection: Any, prefix: str = "", *, mark: str = "?", clock: Callable[[], float] = time.time
    ) -> None:
        self._connection, self._prefix, self._mark, self._clock = connection, prefix, mark, clock
        self._run(
            "CREATE TABLE IF NOT EXISTS offbeat_once "
            "(id VARCHAR(200) PRIMARY KEY, value VARCHAR(60) NOT NULL, until DOUBLE PRECISION NOT NULL)"
        )

    def take(self, key: str, value: str, seconds: float) -> str | None:
        now = self._clock()
        taken, _ = self._run(
            "INSERT INTO offbeat_once (id, value, until) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE "
            "SET value = excluded.value, until = excluded.until WHERE offbeat_once.until <= ?",
            (self._prefix + key, value, now + seconds, now),
        )
        return None if taken == 1 else self.get(key) or ""

    def get(self, key: str) -> str | None:
        _, row = self._run(
            "SELECT value FROM offbeat_once WHERE id = ? AND until > ?", (self._prefix + key, self._clock())
        )
        return None if row is None else row[0]

    def replace(self, key: str, old: str, new: str | None, seconds: float) -> bool:
        now = self._clock()
        if new is None:
            changed, _ = self._run(
                "DELETE FROM offbeat_once WHERE id = ? AND value = ? AND until > ?", (self._prefix + key, old, now)
            )
        else:
            changed, _ = self._run(
                "UPDATE offbeat_once SET value = ?, until = ? WHERE id = ? AND value = ? AND until > ?",
                (new, now + seconds, self._prefix + key, old, now),
            )
        return changed == 1

    def forget(self) -> int:
        """Delete what is over; how many rows that was. Call it now and then: Redis does this by itself."""
        return self._run("DELETE FROM offbeat_once WHERE until <= ?", (self._clock(),))[0]

    def _run(self, statement: str, values: Sequence[object] = ()) -> tuple[int, Any]:
        """Rows changed, and the first row found, of a transaction of its own."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement.replace("?", self._mark), values)
            row = cursor.fetchone() if cursor.description else None
            changed: int = cursor.rowcount
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        finally:
            cursor.close()
        return changed, row
