"""`offbeat topics`: made, checked, and told as text and JSON."""

import json

import pytest

from streams.brokers.embedded import EmbeddedBroker
from streams.commands import run
from tests.support.commands import refused

pytestmark = pytest.mark.usefixtures("own_directory")


def test_topics_are_made_and_checked(embedded_broker: EmbeddedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--brokers", embedded_broker.address, "--prefix", "commands-test."]
    assert run(["topics", "check", *where]) == 1
    assert "must  commands-test.carts is missing  -> run: offbeat topics create" in capsys.readouterr().out
    assert run(["topics", "create", *where, "--partitions", "2"]) == 0
    out = capsys.readouterr().out
    assert "made commands-test.carts  2 partitions" in out
    assert out.endswith("all 12 topics are as they should be\n")
    assert run(["topics", "create", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"made": [], "differences": []}
    assert run(["topics", "check", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"differences": []}


def test_a_difference_as_json(embedded_broker: EmbeddedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "check", "--brokers", embedded_broker.address, "--prefix", "no.", "--json"]) == 1
    first = json.loads(capsys.readouterr().out)["differences"][0]
    assert first == {
        "topic": "no.customers",
        "what": "is missing",
        "advice": "run: offbeat topics create",
        "must": True,
    }


@pytest.mark.parametrize("command", ["create", "check"])
def test_no_broker_is_one_line_and_status_1(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = refused(capsys, "topics", command, "--brokers", "127.0.0.1:9")
    assert (status, told.startswith("no broker at 127.0.0.1:9 (Connection refused); start it")) == (1, True)
