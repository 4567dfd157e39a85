"""What should come out: the pure core over a log, as messages and states, to be compared with a worker's."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from agents.core import Core
from agents.decisions import Decision
from agents.rulebook.rules import Rules, rules_named
from streams import backtest as module
from streams.clock import WallClock
from streams.flow.messages import MessageWriter
from streams.logs import LogLine, read_log
from tables.customer import Customer
from tables.parameters import BUILTIN, Parameters
from tests.support.topics_io import comparable, read_all, states
from tests.support.workers import Deployment

_LATER = 1 << 43
"""A wall clock, epoch ms, beyond every log."""

Written = tuple[str, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
"""Topic, key, value, headers."""


def decisions_of(
    lines: Iterable[LogLine], rules: Rules | None = None, parameters: Parameters = BUILTIN
) -> list[Decision]:
    """What the pure core decides over the lines, with neither broker nor partitions."""
    found: list[Decision] = []
    module.backtest(lines, rules or Rules(), parameters, wall=_LATER, emit=found.append)
    return found


@dataclass(frozen=True)
class Expected:
    """All that a log comes to."""

    messages: Counter[Written]
    states: dict[bytes, Customer]
    events: int

    @property
    def count(self) -> int:
        """Of messages."""
        return self.messages.total()


@dataclass(frozen=True)
class _Decided:
    decisions: list[Decision]
    states: dict[bytes, Customer]
    events: int


def follow(
    lines: Iterable[LogLine], rules: Rules, emit: Callable[[Decision], None]
) -> tuple[module.Tally, dict[bytes, Customer]]:
    """The pure core over the lines as they come: `emit` gets each decision; the customers are as `states` has them."""
    cores: list[Core] = []

    def core(*args: Any, **kwargs: Any) -> Core:
        cores.append(Core(*args, **kwargs))
        return cores[-1]

    with patch.object(module, "Core", core):
        tally = module.backtest(lines, rules, BUILTIN, wall=WallClock().now(), emit=emit)
    found = {key: cores[0].states.read(key) for key in cores[0].states}
    return tally, comparable({key: state for key, state in found.items() if state})


@cache
def _decided(log: Path, rules: Path | None) -> _Decided:
    decisions: list[Decision] = []
    tally, customers = follow(read_log(log).lines(), rules_named(rules), decisions.append)
    return _Decided(decisions, customers, tally.events)


def pure(log: Path, to: Deployment) -> Expected:
    """The log through the backtest, as messages in the topics of a deployment and under its rules."""
    decided = _decided(log, to.settings.rules)
    message = MessageWriter(to.settings).decision
    messages = Counter((topic, k, v, tuple(headers)) for topic, k, v, headers in map(message, decided.decisions))
    return Expected(messages, decided.states, decided.events)


def forget() -> None:
    """What came of the logs so far, which takes memory."""
    _decided.cache_clear()


def written(to: Deployment, *, committed: bool = True) -> Counter[Written]:
    """All decisions that a deployment's workers have sent."""
    topics = [name for name in to.settings.outputs if name != to.topic("dead-letters")]
    return Counter((m.topic, m.key, m.value, m.all_headers) for m in read_all(to.broker, topics, committed=committed))


@dataclass(frozen=True)
class Difference:
    """How what a deployment's workers did differs from what should come out."""

    lost: Counter[Written]
    repeated: Counter[Written]
    """Sent too often, each time the same."""
    foreign: Counter[Written]
    """Never to be sent."""
    wrong: dict[bytes, tuple[Customer | None, Customer | None]]
    """Customers whose state is another one: as it is, and as it should be; None: there is none."""

    def lines(self) -> list[str]:
        """What is different, with an example of each; empty when nothing is."""
        told = []
        if self.lost:
            told.append(f"{self.lost.total()} missing: {next(iter(self.lost))}")
        if extra := self.foreign + self.repeated:
            told.append(f"{extra.total()} too many: {next(iter(extra))}")
        if self.wrong:
            key, (found, expected) = next(iter(self.wrong.items()))
            told.append(f"{len(self.wrong)} states: {key!r}\n{found}\n{expected}")
        return told


def difference(to: Deployment, expected: Expected) -> Difference:
    """Compare what was sent and what is remembered with the pure core's."""
    found = written(to)
    extra = found - expected.messages
    foreign = Counter({message: count for message, count in extra.items() if message not in expected.messages})
    remembered, due = states(to.broker, to.settings), expected.states
    keys = sorted(remembered.keys() | due.keys())
    wrong = {key: (remembered.get(key), due.get(key)) for key in keys if remembered.get(key) != due.get(key)}
    return Difference(expected.messages - found, extra - foreign, foreign, wrong)


def assert_equal(to: Deployment, expected: Expected, *, repeats: bool = False) -> None:
    """What was sent and what is remembered is what the pure core says; `repeats`: messages may have come again."""
    found = difference(to, expected)
    if repeats:
        assert set(expected.messages.values()) <= {1}
        found.repeated.clear()
    told = found.lines()
    assert not told, "\n".join(told)
