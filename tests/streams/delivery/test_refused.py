"""A step that waits for a topic which the brokers tell nothing of ends at once; one that does not want it goes on."""

import asyncio
from collections.abc import Callable
from typing import NoReturn

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from streams.delivery.refused import Refused
from tests.support.virtual import virtually


class Cluster:
    """What aiokafka's client knows of the brokers."""

    def __init__(self) -> None:
        self.unauthorized_topics: set[str] = set()
        self._listeners: list[Callable[[Cluster], None]] = []

    def add_listener(self, listener: "Callable[[Cluster], None]") -> None:
        self._listeners.append(listener)

    def answer(self, *refused: str) -> None:
        """The brokers have told of all topics but these."""
        self.unauthorized_topics = set(refused)
        for listener in self._listeners:
            listener(self)


def watched() -> tuple[Refused, Cluster]:
    refused, cluster = Refused(), Cluster()
    refused.watch(cluster)
    return refused, cluster


def test_it_ends_at_once_and_names_the_topic() -> None:
    async def scenario() -> None:
        refused, cluster = watched()
        loop = asyncio.get_running_loop()
        loop.call_later(3, cluster.answer, "carts", "mails")
        began = loop.time()
        with pytest.raises(TopicAuthorizationFailedError) as failed:
            await waiting(refused, "carts", "states")
        assert failed.value.args == ({"carts"},)
        assert loop.time() - began == pytest.approx(3)

    virtually(scenario())


def test_what_is_refused_already_is_the_reason_of_a_step_that_takes_too_long() -> None:
    async def scenario() -> None:
        refused, cluster = watched()
        cluster.answer("carts")
        with pytest.raises(TopicAuthorizationFailedError):
            await waiting(refused, "carts")

    virtually(scenario())


def test_a_topic_that_nothing_waits_for_is_nobody_s_business() -> None:
    async def scenario() -> None:
        refused, cluster = watched()
        loop = asyncio.get_running_loop()
        async with refused.step(30):
            refused.want("carts")
        loop.call_later(3, cluster.answer, "carts")
        began = loop.time()
        with pytest.raises(TimeoutError):
            await waiting(refused, "states")
        assert loop.time() - began == pytest.approx(30)

    virtually(scenario())


def test_with_the_right_back_it_is_forgotten() -> None:
    async def scenario() -> None:
        refused, cluster = watched()
        cluster.answer("carts")
        cluster.answer()
        with pytest.raises(TimeoutError):
            await waiting(refused, "carts")

    virtually(scenario())


async def waiting(refused: Refused, *topics: str) -> NoReturn:
    """A step for these topics that never gets an answer."""
    async with refused.step(30):
        for topic in topics:
            refused.want(topic)
        await asyncio.Event().wait()
    raise AssertionError("it has ended")
