"""`offbeat parameters`: listed, shown, published, gone back to."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.brokers.embedded import EmbeddedBroker
from streams.commands import run
from streams.refit import records
from streams.refit.hand import read_board
from streams.refit.records import TRIED, Score, Tried
from streams.refit.topic import Topic
from streams.settings import Settings
from tables.parameters import BUILTIN, dump_parameters, load_parameters
from tests.support.commands import refused
from tests.support.pipes import QUICK
from tests.support.published import published
from tests.support.topics_io import Send, produce
from tests.support.workers import Deployment, deploy

pytestmark = pytest.mark.usefixtures("own_directory")


@pytest.fixture
def shop(embedded_broker: EmbeddedBroker, tmp_path: Path) -> Deployment:
    """With parameters `quick.json`, which nobody has published."""
    (tmp_path / "quick.json").write_bytes(dump_parameters(QUICK))
    return deploy(embedded_broker)


def ask(to: Deployment, *arguments: str) -> int:
    return run(["parameters", *arguments, *where(to)])


def where(to: Deployment) -> list[str]:
    return ["--brokers", to.settings.brokers, "--prefix", to.settings.prefix]


def test_nothing_is_published_at_first(shop: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(shop, "list") == 0
    assert capsys.readouterr().out == "nothing is published: workers go by the parameters that they start with\n"
    assert ask(shop, "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"published": [], "last_refit": None}
    status, told = refused(capsys, "parameters", "show", *where(shop))
    assert (status, told) == (2, "nothing is published yet")


def test_there_and_back(shop: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(shop, "publish", "quick.json") == ask(shop, "publish", "builtin") == 0
    assert capsys.readouterr().out == "test-1 is in force\nbuiltin-1 is in force\n"
    assert read_board(shop.settings).parameters == BUILTIN
    assert ask(shop, "use", QUICK.version) == 0
    assert capsys.readouterr().out == "test-1 is in force\n"
    board = read_board(shop.settings)
    assert (board.parameters, board.next_serial) == (QUICK, 4)
    assert ask(shop, "show") == 0
    (tmp_path / "shown.json").write_text(capsys.readouterr().out)
    assert load_parameters(tmp_path / "shown.json") == QUICK
    assert ask(shop, "show", "builtin-1") == 0
    assert json.loads(capsys.readouterr().out)["version"] == "builtin-1"
    status, told = refused(capsys, "parameters", "use", "test-2", *where(shop))
    assert (status, told) == (2, "test-2 is not published; there are: test-1, builtin-1")
    assert ask(shop, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["test-1", "builtin-1", "test-1"]
    assert "again, as published " in lines[0]


def test_a_refit_is_told_with_its_figures(shop: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    score = Score(120, -1.25, (0.5, 0.79, 0.91))
    record = published(1, "live-1", way="refit", why="better", before=score, after=score)
    tried = Tried(until=1, outcome="kept", why="worse", by="w", ended_at=1_600_000_000_000, failures=0)
    topic = shop.settings.published
    produce(
        shop.broker,
        [
            Send(topic, b"rubbish", b"x", 0),
            Send(topic, record.key, records.published.encode(record), 0),
            Send(topic, TRIED, records.tried.encode(tried), 0),
        ],
    )
    assert ask(shop, "list") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split("  ") == ["live-1", "1970-01-01T00:00:01.001Z", "refit", "a test", "better"]
    assert shown[1] == "last refit, 2020-09-13T12:26:40.000Z: kept: worse"
    assert ask(shop, "list", "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    (one,) = told["published"]
    assert one["after"] == {"gaps": 120, "ln_likelihood": -1.25, "coverage": {"0.5": 0.5, "0.8": 0.79, "0.9": 0.91}}
    assert told["last_refit"]["outcome"] == "kept"


def test_what_is_wrong_is_one_line(shop: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = refused(capsys, "parameters", "publish", "none.json", *where(shop))
    assert (status, told) == (2, "none.json: cannot be read: No such file or directory")
    Path("bad.json").write_text("{}")
    status, told = refused(capsys, "parameters", "publish", "bad.json", *where(shop))
    assert (status, told.startswith("bad.json: ")) == (2, True)
    assert read_board(shop.settings).in_force is None
    for arguments in (["list"], ["publish", "quick.json"]):
        status, told = refused(capsys, "parameters", *arguments, "--brokers", "127.0.0.1:9")
        assert (status, told.startswith("no broker at 127.0.0.1:9 (Connection refused); start it")) == (1, True), told
    status, told = refused(capsys, "parameters", "list", "--brokers", shop.settings.brokers, "--prefix", "nobody.")
    assert (status, told) == (1, "topic nobody.offbeat-parameters is missing; run: offbeat topics create")


def test_a_record_that_is_half_read_goes_on_where_it_was(shop: Deployment) -> None:
    """The topic may be entered again after an error."""

    async def scenario(settings: Settings) -> list[bytes | None]:
        found: list[bytes | None] = []
        topic = Topic(settings)
        for serial in (1, 2):
            async with topic:
                record = published(serial)
                await topic.write(record.key, records.published.encode(record))
                while len(found) < serial:
                    await topic.poll(lambda key, _value: found.append(key), 0.1)
        return found

    assert asyncio.run(scenario(shop.settings)) == [published(1).key, published(2).key]
    assert msgspec.json.decode(published(1).parameters)["version"] == "v1"
