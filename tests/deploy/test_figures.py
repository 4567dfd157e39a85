"""What a sender counts, and the port that shows it."""

import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from errors import AwayError, LaterError, NeverError, SkipError, UnsureError, UsageError
from figures import FAILURES, MOST_TYPES, OUTCOMES, Figures, shown
from policy import Policy
from streams.brokers.embedded import EmbeddedBroker, free_port
from tests.deploy.test_loop import Record, World, one
from tests.support.sending import SENDERS, Sender, taken_back, tell, trigger
from tests.support.workers import deploy
from tests.test_docs import rows_of

Counts = dict[tuple[str, ...], float]


def counts(text: str, *labels: str) -> Counts:
    """The samples that are not 0: the name without its beginning, then the values of these labels."""
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples if sample.value]
    return {
        (s.name.removeprefix("offbeat_sender_"), *(s.labels[label] for label in labels if label in s.labels)): s.value
        for s in samples
    }


@pytest.fixture
def world() -> Iterator[World]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield World(connection, Policy(attempts=2, types={"cart.abandoned"}))


def test_each_outcome_is_counted_once(world: World) -> None:
    late, back = one("late", hours=-1), one("back")
    for decision in (
        one("ann"),
        one("out", holdout=True),
        one("other", kind="basket.grown"),
        one("never"),
        one("skip"),
        late,
        taken_back(back),
        back,
    ):
        world.log.write(decision)
    world.log.records.append(Record(len(world.log.records), None, b"{", []))
    world.out.wrong = {"never": [NeverError("no")], "skip": [SkipError("no address")]}
    world.turns(4)
    found = counts(world.loop.figures.text(), "type", "outcome")
    assert found == {
        ("messages_total", "cart.abandoned", "sent"): 1,
        ("messages_total", "cart.abandoned", "held_out"): 1,
        ("messages_total", "basket.grown", "other_type"): 1,
        ("messages_total", "cart.abandoned", "dead_letter"): 1,
        ("messages_total", "cart.abandoned", "skipped"): 1,
        ("messages_total", "cart.abandoned", "expired"): 1,
        ("messages_total", "cart.abandoned.cancelled", "cancelled"): 1,
        ("messages_total", "cart.abandoned", "cancelled"): 1,
        ("messages_total", "other", "dead_letter"): 1,
        ("partitions_read",): 1,
    }


def test_attempts_that_fail_are_counted_and_so_is_what_waits(world: World) -> None:
    world.log.write(one("ann"), one("bob"))
    world.out.wrong = {"ann": [LaterError("busy"), AwayError("down")], "bob": [UnsureError("cut off")]}
    world.turns(1)
    figures = world.loop.figures
    assert counts(figures.text(), "why") == {
        ("failures_total", "later"): 1,
        ("failures_total", "unsure"): 1,
        ("partitions_read",): 1,
        ("waiting",): 2,
    }
    world.now += 3.0
    world.turns(1, 0.0)
    assert counts(figures.text(), "why")["failures_total", "away"] == 1
    assert 'offbeat_sender_away{sender="sender"} 1\n' in figures.text()
    world.turns(200)
    assert counts(figures.text(), "type", "outcome")["messages_total", "cart.abandoned", "sent"] == 2
    assert not figures.away


def test_types_are_bounded_and_harmless() -> None:
    figures = Figures('mail"sender\n')
    for n in range(2 * MOST_TYPES):
        figures.done(f"cart.{'a' * (n // 26)}{chr(97 + n % 26)}", "sent")
    figures.done('x"} 1\n', "sent")
    families = list(text_string_to_metric_families(figures.text()))
    kinds = {sample.labels.get("type") for family in families for sample in family.samples}
    assert len(kinds - {None}) == MOST_TYPES + 1
    assert {sample.labels["sender"] for family in families for sample in family.samples} == {"mail_sender_"}


def test_it_is_shown_where_it_is_told_to_and_nowhere_else() -> None:
    figures, address = Figures(), f"127.0.0.1:{free_port()}"
    with shown(figures, None):
        pass
    with shown(figures, address):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            assert answer.read().decode() == figures.text()
        with pytest.raises(urllib.error.HTTPError, match="404") as raised:
            urllib.request.urlopen(f"http://{address}/", timeout=10)
        raised.value.close()
        with pytest.raises(UsageError, match="cannot be listened at: Address already in use"), shown(figures, address):
            pass
    for wrong in ("9465", "127.0.0.1:99999"):
        with pytest.raises(UsageError, match="--metrics: "), shown(figures, wrong):
            pass


def test_a_real_sender_shows_what_it_did(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    to, address = deploy(embedded_broker, partitions="1"), f"127.0.0.1:{free_port()}"
    with Sender(to, "print_sender.py", "--table", str(tmp_path / "ids.db"), "--metrics", address) as sender:
        tell(to, trigger("ann"), trigger("bob", holdout=True))
        sender.wait_told(": sent\n")
        sender.wait_told(": held out\n")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert sender.stop() == 0
    found = counts(text, "type", "outcome")
    assert found["partitions",] == found["partitions_read",] == 4, "a topic for each family of triggers"
    assert (
        found["messages_total", "cart.abandoned", "sent"] == found["messages_total", "cart.abandoned", "held_out"] == 1
    )
    assert 'sender="print-sender"' in text


def test_the_page_lists_what_is_shown() -> None:
    page = (SENDERS / "README.md").read_text()
    rows = {row[0]: " ".join(row) for row in rows_of(page, "Metrics")}
    text = Figures().text()
    assert set(rows) == set(re.findall(r"# TYPE (\w+) ", text))
    for name, words in (("messages", OUTCOMES), ("failures", FAILURES)):
        assert set(words) <= set(re.findall(r"`(\w+)\b", f"`{rows[f'offbeat_sender_{name}_total']}"))
