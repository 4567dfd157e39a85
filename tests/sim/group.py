"""The consumer group: its members and generations, eager rebalances, and the offsets committed for it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError

from tests.sim.log import Place, Transaction


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a member is to take care of in a generation."""

    generation: int
    numbers: frozenset[int]


@dataclass(slots=True)
class _Member:
    heard: float
    joining: "list[asyncio.Future[Assignment]]" = field(default_factory=list)
    """The requests that wait for the others: more than one, if one was given up and came all the same."""
    numbers: frozenset[int] | None = None
    """What it has in this generation; None when it is not of it yet."""


@dataclass(slots=True)
class Offsets:
    """What was committed for the group: by transaction, and seen by readers a little later than by its coordinator."""

    seen: dict[Place, int] = field(default_factory=dict)
    _pending: dict[Transaction, dict[Place, int]] = field(default_factory=dict)

    def commit(self, transaction: Transaction, offsets: Mapping[Place, int]) -> None:
        """TxnOffsetCommit: of no effect before the transaction's end."""
        self._pending.setdefault(transaction, {}).update(offsets)

    def take(self, transaction: Transaction) -> dict[Place, int]:
        """What an ended transaction changes."""
        found = self._pending.pop(transaction, {})
        return found if transaction.committed else {}


class Group:
    """Assigns the same partition number of all sources together, as the workers' assignor does.

    `session`: seconds without a heartbeat after which a member is out; a rebalance waits for the others twice as long.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, partitions: int, session: float, seen: Callable[[str], None]
    ) -> None:
        self.generation = 0
        self._loop, self._partitions, self._session, self._seen = loop, partitions, session, seen
        self._members: dict[str, _Member] = {}
        self._leader = ""
        self._preparing = False
        self._round = 0

    # -- requests

    def join(self, name: str) -> "asyncio.Future[Assignment]":
        """JoinGroup and SyncGroup in one: answered when all have joined; at once for a follower that missed nothing."""
        member = self._members.get(name)
        if member is None:
            member = self._members[name] = _Member(self._loop.time())
            self._watch(name, member)
        member.heard = self._loop.time()
        answer: asyncio.Future[Assignment] = self._loop.create_future()
        if member.numbers is not None and not self._preparing and name != self._leader:
            answer.set_result(Assignment(self.generation, member.numbers))
            return answer
        member.joining.append(answer)
        self._prepare()
        self._settle_if_whole()
        return answer

    def heartbeat(self, name: str, generation: int) -> None:
        """Raises what `check` does, and RebalanceInProgressError."""
        self.check(name, generation).heard = self._loop.time()
        if self._preparing:
            raise RebalanceInProgressError

    def check(self, name: str, generation: int) -> "_Member":
        """Raises what a broker answers to one who is not, or no longer, a member of this generation."""
        member = self._members.get(name)
        if member is None:
            raise UnknownMemberIdError
        if generation != self.generation:
            raise IllegalGenerationError
        return member

    def leave(self, name: str) -> None:
        """LeaveGroup."""
        if self._members.pop(name, None) is not None:
            self._prepare()
            self._settle_if_whole()

    def shake(self) -> None:
        """A rebalance for no reason that the members can see."""
        if self._members:
            self._prepare()

    # -- what comes of them

    def _watch(self, name: str, member: _Member) -> None:
        """Put the member out when it has been silent for a session."""
        if self._members.get(name) is not member:
            return
        silent = self._loop.time() - member.heard
        if not member.joining and silent >= self._session:
            self._seen("session expired")
            self.leave(name)
        else:
            self._loop.call_later(max(self._session - silent, 0.1), self._watch, name, member)

    def _prepare(self) -> None:
        if not self._preparing:
            self._preparing = True
            self._round += 1
            self._loop.call_later(2 * self._session, self._give_up_waiting, self._round)

    def _give_up_waiting(self, round_: int) -> None:
        if self._preparing and self._round == round_:
            self._seen("rebalance left a member behind")
            for name, member in list(self._members.items()):
                if not member.joining:
                    del self._members[name]
            self._settle()

    def _settle_if_whole(self) -> None:
        if all(member.joining for member in self._members.values()):
            self._settle()

    def _settle(self) -> None:
        self._preparing = False
        self.generation += 1
        self._seen("rebalance")
        names = sorted(self._members)
        if self._leader not in self._members:
            self._leader = next(iter(self._members), "")
        if len(names) > self._partitions:
            self._seen("more workers than partitions")
        for place, name in enumerate(names):
            member = self._members[name]
            member.numbers = numbers = frozenset(n for n in range(self._partitions) if n % len(names) == place)
            member.heard = self._loop.time()
            for answer in member.joining:
                answer.set_result(Assignment(self.generation, numbers))
            member.joining.clear()
