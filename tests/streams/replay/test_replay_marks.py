"""Replays without a broker: which marks are sent where, and when."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.decode import decoder
from streams.logs import LogLine
from streams.replay.pace import Clock, Pace
from streams.replay.run import _Replay
from tables.events import SOURCES, TimeMark
from tests.support.replays import T0, Record, place, view


class Slots:
    """Stands for the sender: keeps what each slot gets; a slot takes `room` records between two flushes."""

    def __init__(self, slots: int, room: int = 3) -> None:
        self.slots = slots
        self.records: list[list[Record]] = [[] for _ in range(slots)]
        self.flushes = 0
        self._room = room
        self._filled = [0] * slots

    def add(self, slot: int, key: bytes | None, value: bytes) -> bool:
        if self._filled[slot] == self._room:
            return False
        self._filled[slot] += 1
        self.records[slot].append((key, value))
        return True

    async def flush(self) -> None:
        self.flushes += 1
        self._filled = [0] * self.slots


class FakeClock:
    """Seconds that pass in `sleep` only."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def clock(self) -> Clock:
        async def sleep(seconds: float) -> None:
            self.seconds += seconds
            self.slept.append(seconds)

        return Clock(lambda: self.seconds, sleep)


def run_through(
    lines: Iterable[LogLine], partitions: int, speed: float | None = None, clock: Clock | None = None
) -> tuple[_Replay, Slots]:
    slots = Slots(len(SOURCES) * partitions)
    sending: Any = slots  # it has what a Sender has
    going = _Replay(sending, partitions, speed, False, clock or FakeClock().clock(), lambda _: None)
    asyncio.run(going.send(lines))
    return going, slots


moments = st.tuples(st.sampled_from(SOURCES), st.integers(0, 8), st.sampled_from("abcdef"))


@st.composite
def logs(draw: st.DrawFn) -> list[LogLine]:
    """Any log, merged as the definition says."""
    reached: dict[str, int] = defaultdict(int)
    lines = []
    for source, step, customer in draw(st.lists(moments, max_size=40)):
        reached[source] = max(reached[source], T0 + step)
        lines.append(view(customer, T0 + step, reached[source], source))
    return sorted(lines, key=lambda line: (line.effective, SOURCES.index(line.source)))


@settings(max_examples=200, deadline=None)
@given(lines=logs(), partitions=st.integers(1, 3), every=st.integers(1, 6))
def test_marks_tell_the_truth_and_make_every_partition_like_the_file(
    lines: list[LogLine], partitions: int, every: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.replay.run._MARK_LINES", every)
        going, slots = run_through(lines, partitions)
    for slot, records in enumerate(slots.records):
        source = SOURCES[slot // partitions]
        expected = iter(
            [line for line in lines if line.source == source and place(line.key, partitions) == slot % partitions]
        )
        reached = 0
        for key, value in records:
            if key is None:
                event, at = decoder(source)(None, value, T0)
                assert isinstance(event, TimeMark)
                assert at >= reached  # marks never go back
                reached = at
                continue
            line = next(expected)
            assert (key, value) == (line.key, line.value)
            reached = max(reached, line.at)
            # both at once: no mark was beyond the line, and the reader's running maximum is that of the file
            assert reached == line.effective
        assert next(expected, None) is None
        if lines:
            assert json.loads(records[-1][1]) == {"type": "time.mark", "occurred_at": lines[-1].effective + 1}
        else:
            assert records == []
    assert going.marks == sum(key is None for records in slots.records for key, _ in records)
    assert going.late == sum(line.at < line.effective for line in lines)


def test_marks_come_in_all_partitions_after_a_thousand_lines_and_at_a_new_time_only() -> None:
    lines = [view(f"c{i}", T0 + i // 700) for i in range(3000)]
    _, slots = run_through(lines, 2)
    for records in slots.records:
        marks = [json.loads(value)["occurred_at"] - T0 for key, value in records if key is None]
        assert marks == [2, 4, 5]  # lines 1400 and 2800 are the first of a new time, then the end


def test_a_line_that_will_be_refused_does_not_stand_for_its_time() -> None:
    """It says the running maximum of the file, but the worker does not count it: the late line needs a mark."""
    first, second = sorted((f"c{i}" for i in range(9)), key=lambda c: place(c.encode(), 2))[::8]
    refused = LogLine("carts", second.encode(), b'{"type":"product.viewed"}', T0 + 5, T0 + 5)
    _, slots = run_through([view(first, T0 + 5), refused, view(second, T0 + 1, T0 + 5)], 2)
    records = slots.records[2 * SOURCES.index("carts") + place(second.encode(), 2)]
    assert [json.loads(value).get("occurred_at", 0) - T0 for _, value in records] == [-T0, 5, 1, 6]


def test_pace() -> None:
    seconds = 50.0
    pace = Pace(10.0, lambda: seconds)
    assert pace.reached(T0) == T0
    assert pace.left(T0) == 0
    assert pace.left(T0 + 20_000) == 2.0
    seconds = 51.5
    assert pace.left(T0 + 20_000) == 0.5
    assert pace.reached(T0 + 20_000) == T0 + 15_000
    assert pace.reached(T0 + 9_000) == T0 + 9_000
    assert pace.left(T0 + 10_000) == -0.5


def test_a_paced_replay_sends_when_it_is_time_and_marks_the_time_between() -> None:
    fake = FakeClock()
    sent: list[tuple[float, int]] = []

    def told() -> Iterator[LogLine]:
        for step in (0, 1, 100):
            yield view("a", T0 + step * 1000)
            sent.append((fake.seconds - 1000, step))

    _, slots = run_through(told(), 1, speed=20.0, clock=fake.clock())
    assert [step for _, step in sent] == [0, 1, 100]
    assert [seconds for seconds, _ in sent] == pytest.approx([0, 0.05, 5], abs=0.011)
    assert max(fake.slept) <= 0.2
    marks = [[json.loads(value)["occurred_at"] - T0 for key, value in r if key is None] for r in slots.records]
    assert marks[0] == marks[1] == marks[2]
    # one about every 0.2 s: 4 s of event time
    assert marks[0][-1] == 100_001
    assert len(marks[0]) == pytest.approx(26, abs=2)
    assert all(0 < later - earlier <= 4_100 for earlier, later in pairwise(marks[0]))
