"""The model and Apache Kafka give the same answers, step by step: a difference is a bug of the model."""

import asyncio
import random
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.sim.drawn import drawn
from tests.sim.kafka import RealKafka
from tests.sim.modelled import PARTITIONS, play_on_model
from tests.sim.script import play, transcripts
from tests.support.brokers import ApacheKafka
from tests.support.topics import make_topics

pytestmark = pytest.mark.xdist_group("sim-script")
TRANSCRIPTS = transcripts(Path(__file__).with_name("transcripts.md").read_text())
DRAWN = {f"seed {seed}": drawn(random.Random(seed)) for seed in range(40)}
SECONDS = 90
STEPS = {title: [step for step, _ in lines] for title, lines in TRANSCRIPTS.items()} | DRAWN


def played(steps: Sequence[str], answers: Sequence[str]) -> list[str]:
    return [f"{step} -> {answer}" for step, answer in zip(steps, answers, strict=True)]


@pytest.fixture(scope="module")
def on_kafka(apache_kafka: ApacheKafka) -> Mapping[str, list[str]]:
    """The answers of Apache Kafka to all scripts, each on a topic of its own, all at once."""

    async def one(topic: str, steps: Sequence[str]) -> list[str]:
        async with asyncio.timeout(SECONDS), RealKafka(apache_kafka.address, topic) as cluster:
            return played(steps, await play(cluster, steps))

    async def all_() -> list[list[str]]:
        return await asyncio.gather(*(one(topic, steps) for topic, steps in zip(topics, STEPS.values(), strict=True)))

    topics = [f"script-{secrets.token_hex(4)}" for _ in STEPS]
    make_topics(apache_kafka.address, topics, PARTITIONS)
    return dict(zip(STEPS, asyncio.run(all_()), strict=True))


@pytest.mark.parametrize("title", TRANSCRIPTS)
def test_the_model_answers_as_is_written(title: str) -> None:
    steps = STEPS[title]
    assert played(steps, play_on_model(steps)) == [f"{step} -> {answer}" for step, answer in TRANSCRIPTS[title]]


@pytest.mark.parametrize("title", TRANSCRIPTS)
def test_apache_kafka_answers_as_is_written(on_kafka: Mapping[str, list[str]], title: str) -> None:
    assert on_kafka[title] == [f"{step} -> {answer}" for step, answer in TRANSCRIPTS[title]]


@pytest.mark.parametrize("title", DRAWN)
def test_apache_kafka_and_the_model_answer_alike(on_kafka: Mapping[str, list[str]], title: str) -> None:
    steps = STEPS[title]
    assert on_kafka[title] == played(steps, play_on_model(steps))


def test_what_was_drawn_meets_every_kind_of_answer() -> None:
    """Else the scripts would be blind."""
    found = {line for steps in DRAWN.values() for line in play_on_model(steps)}
    assert {"ok", "InvalidProducerEpoch", "InvalidTxnState", "OutOfOrderSequenceNumber"} <= found
