"""Two senders at once over one store, step by step: who goes on, who crashes and when time passes is told from outside.

Each reads a log, which both may have in common: two that believe to have the same partition. After a crash it begins
anew.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from once import Once, Store, Verdict

Message = tuple[Literal["trigger", "cancelled"], str]
"""What comes, and the trigger_id."""


class Crash(BaseException):
    """The sender's process ends here."""


class PausingStore:
    """A store whose user pauses before each use of it."""

    def __init__(self, store: Store, pause: Callable[[], None]) -> None:
        self._store, self._pause = store, pause

    def take(self, key: str, value: str, seconds: float) -> str | None:
        self._pause()
        return self._store.take(key, value, seconds)

    def get(self, key: str) -> str | None:
        self._pause()
        return self._store.get(key)

    def replace(self, key: str, old: str, new: str | None, seconds: float) -> bool:
        self._pause()
        return self._store.replace(key, old, new, seconds)


class Sender:
    """One sender, in a thread that runs only between `step` and its next pause."""

    def __init__(self, world: "World", store: Store, log: Sequence[Message]) -> None:
        self._world, self._log = world, log
        self._once = world.make(PausingStore(store, self.pause), world.lease, order=world.order)
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._crash = False
        self.done = False
        self.holding: str | None = None
        """The id that it has begun to deliver."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it go on to its next pause."""
        if not self.done:
            self._go.release()
            assert self._paused.acquire(timeout=20)

    def crash(self) -> None:
        """End it where it pauses; with its next step it begins anew."""
        if not self.done:
            self._world.lost(self.holding)
            self._crash = True

    def pause(self) -> None:
        """Called by the sender's own thread: between any two things that it does."""
        self._paused.release()
        self._go.acquire()
        if self._crash:
            self._crash = False
            raise Crash

    def _run(self) -> None:
        self._go.acquire()
        while not self.done:
            try:
                for message in self._log:
                    self._handle(*message)
                self.done = True
            except Crash:
                self.holding = None
        self._paused.release()

    def _handle(self, what: str, trigger_id: str) -> None:
        verdict = Verdict.BUSY
        while verdict is Verdict.BUSY:
            self.pause()
            if what == "cancelled":
                verdict = self._once.cancel(trigger_id)
                self._world.cancelled(trigger_id, verdict)
            else:
                self.holding = trigger_id
                verdict = self._once.deliver(trigger_id, lambda: self._send(trigger_id))
                self.holding = None

    def _send(self, trigger_id: str) -> None:
        self.pause()
        self._world.handed_over(trigger_id)
        self.pause()

    def join(self) -> None:
        self._thread.join(20)


@dataclass
class World:
    """What two senders do over a log, and what went out."""

    logs: tuple[Sequence[Message], Sequence[Message]]
    order: Literal["at_least_once", "at_most_once"]
    lease: float = 60.0
    make: type[Once] = Once
    out: Counter[str] = field(default_factory=Counter)
    """How often each id was handed over."""
    excused: Counter[str] = field(default_factory=Counter)
    """How often a sender crashed, or outlived its lease, with an id that it had begun to deliver."""
    stopped: set[str] = field(default_factory=set)
    """Ids of which a sender was told that they do not go out any more."""
    wrong: list[str] = field(default_factory=list)
    senders: list[Sender] = field(default_factory=list)

    def start(self, first: Store, second: Store) -> Self:
        """Both senders, each with its own connection to one store."""
        self.senders = [Sender(self, store, log) for store, log in zip((first, second), self.logs, strict=True)]
        return self

    def handed_over(self, trigger_id: str) -> None:
        if trigger_id in self.stopped and not self.excused[trigger_id]:
            self.wrong.append(f"{trigger_id} went out after its cancellation was assured")
        self.out[trigger_id] += 1

    def cancelled(self, trigger_id: str, verdict: Verdict) -> None:
        if verdict is Verdict.CANCELLED:
            self.stopped.add(trigger_id)
            if self.out[trigger_id] and not self.excused[trigger_id]:
                self.wrong.append(f"{trigger_id} went out, and its cancellation was said to be in time")
        noted_first = self.order == "at_most_once"
        if verdict is Verdict.BEFORE and not (self.out[trigger_id] or self.excused[trigger_id] or noted_first):
            self.wrong.append(f"{trigger_id} did not go out, and its cancellation was said to be late")

    def lost(self, trigger_id: str | None) -> None:
        """A sender crashed, or its lease is over, while it had begun to deliver this."""
        if trigger_id is not None:
            self.excused[trigger_id] += 1

    def play(self, moves: Iterable[str], pass_time: Callable[[float], None]) -> None:
        """Moves: a, b (that one goes on), A, B (that one crashes), t (a lease passes); then both go on to the end."""
        for move in moves:
            match move:
                case "t":
                    self._lease_passes(pass_time)
                case "A" | "B":
                    self.senders["AB".index(move)].crash()
                case _:
                    self.senders["ab".index(move)].step()
        rounds = 0
        while not all(sender.done for sender in self.senders):
            rounds += 1
            assert rounds < 10_000, "the senders wait for each other"
            for sender in self.senders:
                sender.step()
            if rounds % 50 == 0:  # somebody waits for one that crashed
                self._lease_passes(pass_time)
        for sender in self.senders:
            sender.join()

    def _lease_passes(self, pass_time: Callable[[float], None]) -> None:
        for sender in self.senders:
            self.lost(sender.holding)
        pass_time(self.lease + 1)

    def judge(self) -> None:
        """Fails when something was lost, or went out twice without an excuse."""
        assert not self.wrong, self.wrong
        triggers = {trigger_id for log in self.logs for what, trigger_id in log if what == "trigger"}
        taken_back = {trigger_id for log in self.logs for what, trigger_id in log if what == "cancelled"}
        for trigger_id in triggers:
            count = self.out[trigger_id]
            if self.order == "at_most_once":
                assert count <= 1, f"{trigger_id} went out {count} times"
            else:
                assert count <= 1 + self.excused[trigger_id], f"{trigger_id} went out {count} times"
            if trigger_id not in taken_back and (self.order == "at_least_once" or not self.excused[trigger_id]):
                assert count, f"{trigger_id} never went out"
