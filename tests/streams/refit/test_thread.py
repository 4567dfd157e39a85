"""The thread of parameters: whatever the topic or the brokers do, a worker begins, goes on, and says so once."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar, Self

import pytest
from aiokafka.errors import RequestTimedOutError, TopicAuthorizationFailedError
from prometheus_client import CollectorRegistry

from streams.brokers.topics import RefusedError
from streams.refit import records
from streams.refit import thread as module
from streams.refit.thread import RefitThread, learning
from streams.refit.topic import Take
from streams.settings import Settings
from streams.watch.refitmetrics import RefitMetrics
from tables.parameters import BUILTIN
from tests.support.published import named, published

Step = Exception | list[tuple[bytes, bytes]]
"""What comes of a look at the topic: an error, or records."""


class FakeTopic:
    """Plays steps, and then there is nothing new."""

    steps: ClassVar[list[Step]] = []

    def __init__(self, _settings: Settings) -> None:
        self.written: list[bytes] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_args: object) -> None: ...

    async def poll(self, take: Take, _seconds: float) -> bool:
        await asyncio.sleep(0.001)
        step = self.steps.pop(0) if self.steps else []
        if isinstance(step, Exception):
            raise step
        for key, value in step:
            take(key, value)
        return True

    async def write(self, key: bytes, _value: bytes) -> None:
        self.written.append(key)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """What becomes of looks at the topic; there are no pauses between them."""
    found: list[Step] = []
    monkeypatch.setattr(FakeTopic, "steps", found)
    monkeypatch.setattr(module, "Topic", FakeTopic)
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.001)
    return found


def put(serial: int) -> tuple[bytes, bytes]:
    one = published(serial)
    return one.key, records.published.encode(one)


def run(look: Callable[[RefitThread], Any], registry: CollectorRegistry | None = None) -> Any:
    """What `look` finds while a worker's thread runs that neither samples nor fits."""
    metrics = RefitMetrics(registry or CollectorRegistry())
    with learning(Settings(brokers="127.0.0.1:9", clock="event"), BUILTIN, 2, "a test", metrics) as thread:
        found = look(thread)
    assert not thread._thread.is_alive()
    return found


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_worker_begins_with_what_is_published(steps: list[Step]) -> None:
    steps.append([put(1), (b"rubbish", b"x"), put(2)])
    registry = CollectorRegistry()
    found = run(lambda thread: asyncio.run(thread.known()).parameters, registry)
    assert found == named("v2")
    assert registry.get_sample_value("offbeat_parameters_info", {"version": "v2", "rhythm": found.rhythm}) == 1
    assert registry.get_sample_value("offbeat_parameters_info", {"version": "v1", "rhythm": found.rhythm}) is None
    assert registry.get_sample_value("offbeat_parameters_ignored_total") == 1


def test_brokers_that_do_not_answer_are_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With clients of the real brokers, of which there are none."""
    monkeypatch.setattr(module, "START_SECONDS", 0.3)
    found = run(lambda thread: asyncio.run(thread.known()).parameters)
    assert found is BUILTIN
    (line,) = [record.getMessage() for record in caplog.records if "could not be read" in record.getMessage()]
    assert line == (
        "parameters: offbeat-parameters could not be read within 0 s; beginning with builtin-1, "
        "what is published follows"
    )


def test_what_the_brokers_refuse_ends_a_worker_at_its_start(steps: list[Step]) -> None:
    steps.extend(TopicAuthorizationFailedError("offbeat-parameters") for _ in range(10_000))
    with pytest.raises(RefusedError, match="use offbeat-parameters; allow it with") as told:
        run(lambda thread: asyncio.run(thread.known()))
    assert told.value.status == 1


@pytest.mark.parametrize("error", [RequestTimedOutError(), OSError("gone"), TopicAuthorizationFailedError("x")])
def test_trouble_later_is_told_once_and_its_end(
    steps: list[Step], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def look(thread: RefitThread) -> None:
        asyncio.run(thread.known())
        steps.extend([error, error, error, [put(1)]])
        wait_for(lambda: thread.gatherer.parameters.version == "v1")
        wait_for(lambda: "going on" in caplog.text)

    registry = CollectorRegistry()
    with caplog.at_level(logging.INFO):
        run(look, registry)
    assert caplog.text.count("triggers go on with those of now, trying again") == 1
    assert caplog.text.count("parameters: the brokers answer: going on") == 1
    assert "parameters: v1 from now on, published by a test: " in caplog.text
    assert registry.get_sample_value("offbeat_parameters_failures_total") == 3


def test_an_error_of_ours_is_told_once_and_ends_nothing(steps: list[Step], caplog: pytest.LogCaptureFixture) -> None:
    steps.extend([ZeroDivisionError("a bug")] * 3 + [[put(1)]])
    assert run(lambda thread: asyncio.run(thread.known()).parameters) == named("v1")
    assert caplog.text.count("parameters: an error in Offbeat; please report it") == 1
    assert "ZeroDivisionError: a bug" in caplog.text
