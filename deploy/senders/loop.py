"""What every sender does: read, hold for the delay, claim, send, note, commit.

read    the topics `triggers.*`, with read_committed
hold    until `delay` after the trigger fired; a `<type>.cancelled` that comes until then stops it
claim   the trigger_id in a store (`once.py`), so that nobody else sends it
send    what the sender's own `send` does; the errors of `errors.py` say what becomes of it
note    that it was sent
commit  the offsets, only of what is done
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from kafka import OffsetAndMetadata
from kafka.errors import AuthorizationError, KafkaError

from errors import AwayError, NeverError, SkipError, StopError, UnsureError
from figures import Figures
from hold import Held, Hold
from message import CANCELLED, Message, NoTriggerError, parse
from moved import Moved
from once import NotSentError, Once, Verdict
from policy import Policy

log = logging.getLogger(__name__)

SLICE_SECONDS = 1.0
"""So long it sends between two looks at the brokers, which want to hear of their readers."""
FETCH_MARGIN_SECONDS = 1.0
"""How old the end of a partition may be that a fetch has told: more than `fetch_max_wait_ms`."""
EXPIRED = "expired"
REFUSALS = 20
"""In a row: then it is not the triggers that are wrong."""


class DeadLetters(Protocol):
    """Where messages go that will never be sent."""

    def add(self, record: Any, reason: str) -> None:
        """Returns when it is safe there; `record` is that of kafka-python."""


@dataclass
class Loop:
    """One sender. `turn` does some of the work and comes back; who calls it again and again decides when to stop."""

    consumer: Any
    once: Once
    send: Callable[[Message], None]
    dead_letters: DeadLetters
    policy: Policy = field(default_factory=Policy)
    say: Callable[[str], None] = lambda _said: None
    """Is told what became of each message."""
    clock: Callable[[], float] = time.time
    moved: Moved = field(default_factory=Moved)
    """The listener that the consumer was subscribed with."""
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        self._hold: Hold[tuple[Any, Message]] = Hold(self.policy.held)
        self._committed: dict[Any, int] = {}
        self._failures = self._refusals = 0
        self._quiet_until = 0.0
        self._was_full = False

    def turn(self, wait_ms: int = 200) -> None:
        """Take what has come, send what is due, commit what is done. Raises StopError, and what the store does."""
        asked_at = self.clock()
        self._pause_when_full()
        batches = self.consumer.poll(timeout_ms=wait_ms)
        self.figures.partitions_read = len(self.consumer.assignment())
        gone = self.moved.take()
        if gone:
            self._hold.drop(gone)
        self._committed = {place: offset for place, offset in self._committed.items() if place not in gone}
        for place, records in batches.items():
            for record in records:
                self._take(place, record)
        self._look_for_ends(asked_at)
        until = self.clock() + SLICE_SECONDS
        while (now := self.clock()) < until and now >= self._quiet_until and (held := self._hold.next(now)):
            self._handle(held, now)
        self._commit()
        self.figures.waiting = len(self._hold)

    # -- reading

    def _pause_when_full(self) -> None:
        places, paused = self.consumer.assignment(), self.consumer.paused()
        if self._hold.full and places - paused:
            if not self._was_full:
                log.warning("as many messages wait as may (--held): cancellations may come too late for some; raise it")
            self._was_full = True
            self.consumer.pause(*places)
        elif paused and not self._hold.full:
            self.consumer.resume(*paused)

    def _take(self, place: Any, record: Any) -> None:
        try:
            message = parse(record.value, record.headers)
        except NoTriggerError as error:
            self.dead_letters.add(record, str(error))
            log.warning("a record of %s is no trigger: %s", place.topic, error)
            self.figures.done("", "dead_letter")
            return
        now = self.clock()
        if self.policy.types is not None and message.type.removesuffix(CANCELLED) not in self.policy.types:
            self._over(message, "other_type", "not sent by this sender")
        elif message.holdout:
            self._over(message, "held_out", "held out")
        elif message.cancels:
            self._hold.add(place, record.offset, (record, message), 0.0)  # before whatever it may stop
        elif self.policy.delay <= 0:
            self._hold.add(place, record.offset, (record, message), now)
        else:
            due = min(message.fired_at, now) + self.policy.delay
            self._hold.add(place, record.offset, (record, message), due, due)
            self._say(message, "held")

    def _look_for_ends(self, asked_at: float) -> None:
        for place in self.consumer.assignment() - self.consumer.paused():
            end = self.consumer.highwater(place)
            if end is not None and self.consumer.position(place) >= end:
                self._hold.read(place, asked_at - FETCH_MARGIN_SECONDS)

    # -- sending

    def _handle(self, held: Held[tuple[Any, Message]], now: float) -> None:
        _, message = held.what
        try:
            outcome = self._outcome(message, now)
        except StopError:
            raise
        except NeverError as error:
            self._refuse(held, str(error))
        except AwayError as error:
            self._failures += 1
            self._failed("away")
            pause = self.policy.pause(self._failures, error.after)
            log.warning("nothing can be sent: %s; trying again in %.0f s", error, pause)
            self._quiet_until = now + pause
            self._hold.again(held, now + pause)  # behind the others: it may be this one that the other side cannot take
        except NotSentError as error:
            held.tries += 1
            if held.tries >= self.policy.attempts:
                self._refuse(held, f"put off {held.tries} times: {error}")
            else:
                self._failed("later")
                self._hold.again(held, now + self.policy.pause(held.tries, getattr(error, "after", 0.0)))
        except UnsureError as error:
            log.warning("%s: nobody knows whether it went out: %s", message.trigger_id, error)
            self._failed("unsure")
            self._hold.again(held, now + 1.0)
        else:
            if outcome is Verdict.BUSY:
                self._hold.again(held, now + 1.0)
                return
            if outcome is Verdict.SENT:
                self._failures = self._refusals = 0
                self.figures.away = False
            self._hold.done(held)
            self._over(message, *_told(outcome))

    def _outcome(self, message: Message, now: float) -> Verdict | str:
        """What became of it; raises what `send` does."""
        if message.cancels:
            verdict = self.once.cancel(message.trigger_id)
            if verdict is not Verdict.BEFORE or not self.policy.recalls:
                return verdict
            return self.once.deliver(message.ce_id, lambda: self.send(message))
        if message.expires_at <= now:
            return EXPIRED
        try:
            return self.once.deliver(message.trigger_id, lambda: self.send(message))
        except SkipError as why:
            return str(why)

    def _refuse(self, held: Held[tuple[Any, Message]], reason: str) -> None:
        record, message = held.what
        self._refusals += 1
        if self._refusals >= REFUSALS:
            raise StopError(
                f"{REFUSALS} triggers in a row were refused, the last one: {reason}; mend that and start again"
            )
        log.warning("%s goes to the dead letters: %s", message.trigger_id, reason)
        self.dead_letters.add(record, reason)
        self._hold.done(held)
        self._over(message, "dead_letter", f"refused: {reason}")

    def _failed(self, why: str) -> None:
        self.figures.failed(why)
        self.figures.away = why == "away"

    def _over(self, message: Message, outcome: str, said: str) -> None:
        self.figures.done(message.type, outcome)
        self._say(message, said)

    def _say(self, message: Message, outcome: str) -> None:
        self.say(f"{message.type} {message.trigger_id}: {outcome}")

    # -- committing

    def _commit(self) -> None:
        offsets: dict[Any, int] = {}
        for place in self.consumer.assignment():
            first = self._hold.first(place)
            if first is not None:
                offsets[place] = first
            elif self.consumer.highwater(place) is not None:  # something was fetched: the position is known
                offsets[place] = self.consumer.position(place)
        new = {place: offset for place, offset in offsets.items() if self._committed.get(place) != offset}
        if not new:
            return
        try:
            self.consumer.commit({place: OffsetAndMetadata(offset, "", -1) for place, offset in new.items()})
        except AuthorizationError:
            raise
        except KafkaError as error:  # another sender has the partition and reads on there, or the brokers are away
            log.warning("offsets were not committed, that comes again: %s", type(error).__name__)
        else:
            self._committed |= new


def _told(outcome: Verdict | str) -> tuple[str, str]:
    """What a message that is done is counted as, and what is said of it."""
    if isinstance(outcome, Verdict):
        return outcome.value.replace(" ", "_"), outcome.value
    return ("expired" if outcome == EXPIRED else "skipped"), outcome
