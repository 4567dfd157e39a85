"""A release whose states have a new form: what it and this one do with each other's, all at once and one by one."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from streams.brokers.embedded import EmbeddedBroker
from tables import customerform as module
from tables.customerform import VERSION
from tests.support.oracle import Expected, assert_equal, pure
from tests.support.topics_io import packed_states
from tests.support.workers import Deployment, Worker, deploy, offbeat, running

T0 = 1_700_000_000_000
MINUTE = 60_000
PRODUCTS = ("tea", "rum", "salt")


class NewerWorker(Worker):
    """Of the next release: the form of its states is one further. It reads what this release has written."""

    program = (
        "-c",
        "import tables.customerform as form; form.VERSION += 1; from streams.__main__ import main; main()",
    )


def write_log(path: Path, begin: int, part: int) -> Path:
    """Four hundred carts of forty customers, a quarter of an hour apart; every third one becomes an order."""
    lines: list[dict[str, Any]] = []
    for number in range(400):
        common = {"customer_id": f"c{number * 7 % 40}", "occurred_at": begin + number * 15 * MINUTE}
        name = f"{part}-{number}"
        added = {"type": "cart.item_added", "product_id": PRODUCTS[number % 3], "quantity": 1}
        lines.append({**common, "event_id": f"cart-{name}", **added})
        if number % 3 == 0:
            order = {"type": "order.completed", "order_id": name, "total": 9.5 + number % 7, "currency": "EUR"}
            lines.append({**common, "event_id": f"order-{name}", **order, "items": []})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two logs, the second a day after the first, and both in one."""
    first = write_log(tmp_path / "first.jsonl", T0, 1)
    second = write_log(tmp_path / "second.jsonl", T0 + 7000 * MINUTE, 2)
    whole = tmp_path / "whole.jsonl"
    whole.write_text(first.read_text() + second.read_text())
    return first, second, whole


def replay(log: Path, to: Deployment) -> None:
    done = offbeat("replay", str(log), environ=to.environ)
    assert done.returncode == 0, done.stderr


def finish(worker: Worker, partitions: int = 2) -> None:
    """Wait until it has taken all that is in the topics."""

    def finished() -> bool:
        told = worker.health()["partitions"].values()
        return len(told) == partitions and all(partition["lag"] == 0 for partition in told)

    worker.wait_until(finished, 60)


def forms(to: Deployment) -> list[int]:
    """Of the states that the changelog holds."""
    packed, _ = packed_states(to.broker, to.settings)
    return sorted({state[0] for here in packed.values() for state in here.values()})


def assert_newer_equal(to: Deployment, expected: Expected) -> None:
    """As `assert_equal` of the next release."""
    with patch.object(module, "VERSION", VERSION + 1):
        assert_equal(to, expected)


def refused(to: Deployment) -> None:
    with Worker(to.environ) as worker:
        assert worker.wait() == 1
        assert_refusal(worker)


def assert_refusal(worker: Worker) -> None:
    """One line that says what to do, and nothing else went wrong."""
    (line,) = [line for line in worker.errors.splitlines() if line.startswith("offbeat: ")]
    assert line == (
        f"offbeat: state was written by a newer version (form {VERSION + 1}, this one reads up to {VERSION}): "
        "upgrade the worker"
    )
    assert "Traceback" not in worker.errors


def test_an_upgrade_reads_what_there_is_and_a_downgrade_is_refused(
    embedded_broker: EmbeddedBroker, logs: tuple[Path, Path, Path]
) -> None:
    first, second, whole = logs
    to = deploy(embedded_broker, clock="event")
    expected = pure(whole, to)
    assert expected.count > 100
    replay(first, to)
    with running(to.environ) as worker:
        finish(worker)
    assert forms(to) == [VERSION]
    replay(second, to)
    with NewerWorker(to.environ) as newer:
        newer.wait_ready()
        finish(newer)
        assert newer.stop() == 0
    assert VERSION + 1 in forms(to)
    refused(to)
    assert_newer_equal(to, expected)
    with NewerWorker(to.environ) as newer:  # the refusal has spoilt nothing
        newer.wait_ready()
        assert newer.metric("offbeat_customers") == len(expected.states)
        assert newer.stop() == 0


def test_upgraded_one_by_one(embedded_broker: EmbeddedBroker, logs: tuple[Path, Path, Path]) -> None:
    """An old worker that gets a partition of a new one stops; the new ones go on, and nothing is lost or repeated."""
    first, second, whole = logs
    to = deploy(embedded_broker, clock="event")
    expected = pure(whole, to)
    with Worker(to.environ) as old:
        old.wait_ready()
        replay(first, to)
        finish(old)
        with NewerWorker(to.environ) as newer:
            newer.wait_ready()
            newer.wait_until(lambda: newer.metric("offbeat_partition_live") == 1)
            old.wait_until(lambda: old.metric("offbeat_partition_live") == 1)
            replay(second, to)
            finish(newer, 1)
            finish(old, 1)
            assert forms(to) == [VERSION, VERSION + 1]
            assert newer.stop() == 0
        assert old.wait() == 1
        assert_refusal(old)
    with NewerWorker(to.environ) as newer:
        newer.wait_ready()
        finish(newer)
        assert newer.stop() == 0
    assert_newer_equal(to, expected)
