"""What the peers are held against is right, their lines are read right, and so is the arithmetic; none runs here."""

import re
import sys
from dataclasses import replace
from itertools import islice
from math import exp, log
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from tests.bench.__main__ import bench
from tests.bench.load import Row, standard_load
from tests.bench.measure import Limit
from tests.bench.peers.catalog import PEERS, SYSTEMS, UnknownPeerError, peers_named
from tests.bench.peers.contest import made
from tests.bench.peers.fold import DAY_MS, fold, fresh
from tests.bench.peers.install import HERE, PeerMissingError, _first_error, _made, _run, _stale
from tests.bench.peers.reference import Reference
from tests.bench.peers.run import PeerRun, _figures
from tests.bench.peers.tally import Tally
from tests.bench.peers.told import Told, lines_in
from tests.bench.process import Use
from tests.bench.report import Report, lines_of
from tests.bench.rounds import PeerSide, Side, comparison
from tests.bench.table import table_of
from tests.bench.test_bench import a_run

END = 1_763_800_000_000


def order(at: int, total: float) -> dict[str, object]:
    return {"type": "order.completed", "order_id": f"o{at}", "occurred_at": at, "total": total}


def item(product: str, at: int) -> dict[str, object]:
    return {"type": "cart.item_added", "product_id": product, "quantity": 2, "price": 4.5, "occurred_at": at}


def test_an_order_far_below_the_others_calls_for_a_trigger() -> None:
    state = fresh()
    assert fold(state, order(0, 99.0)) is None
    assert fold(state, order(10 * DAY_MS, 99.0)) is None
    assert fold(state, order(20 * DAY_MS, 24.0)) is None  # a quarter: log 4 is 1.39
    found = fold(state, order(30 * DAY_MS, 9.0))
    assert found is not None
    mean = (2 * log(100) + log(25)) / 3
    assert found["order_id"] == f"o{30 * DAY_MS}"
    assert found["distance"] == pytest.approx(log(10) - mean)
    assert state["basket"] == pytest.approx((3 * mean + log(10)) / 4)
    assert state["due"] == pytest.approx(30 * DAY_MS + DAY_MS * 10 * exp(1.28))


def test_a_cart_grows_until_there_is_an_order() -> None:
    state = fresh()
    for at, product in enumerate(("a", "b", "a")):
        assert fold(state, item(product, at)) is None
    assert state["cart"] == {"a": [4, 4.5], "b": [2, 4.5]}
    assert state["touched"] == 2
    fold(state, {"type": "product.viewed"})
    fold(state, order(3, 10.0))
    assert (state["cart"], state["views"], state["orders"]) == (None, 1, 1)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    # few customers, so that they have orders enough for triggers
    return list(standard_load(20_000, END, customers=500))


def reference_of(rows: list[Row]) -> Reference:
    reference = Reference()
    assert list(reference.over(rows)) == rows
    return reference


def test_what_peers_must_come_to_does_not_depend_on_how_topics_are_merged(rows: list[Row]) -> None:
    reference = reference_of(rows)
    queues = [[row for row in rows if row[0] == source] for source in sorted({row[0] for row in rows})]
    assert len(queues) == 2
    picks = [number for number, queue in enumerate(queues) for _ in queue]
    Random(7).shuffle(picks)
    heads = [iter(queue) for queue in queues]
    other = reference_of([next(heads[pick]) for pick in picks])
    assert (other.events, other.customers) == (reference.events, reference.customers) == (20_000, 500)
    assert sorted(other.triggers) == sorted(reference.triggers)
    assert 100 < len(reference.triggers) < 1_000


def test_a_part_of_the_load_is_its_beginning(rows: list[Row]) -> None:
    whole, part = reference_of(rows), reference_of(list(islice(rows, 2_000)))
    assert part.events == 2_000
    assert whole.triggers[: len(part.triggers)] == part.triggers


def test_a_peer_that_comes_to_something_else_is_found_out(rows: list[Row]) -> None:
    reference = reference_of(rows)
    orders, fired = reference.triggers, len(reference.triggers)
    right = Told(20_000, 500, fired, 0.0)
    assert reference.difference(right, reversed(orders)) is None
    assert reference.difference(Told(20_001, 500, fired, 0.0), orders) == (
        "it counts 20,001 events, the reference 20,000"
    )
    assert "499 customers, the reference 500" in str(reference.difference(Told(20_000, 499, fired, 0.0), orders))
    assert f"{fired - 1} triggers" in str(reference.difference(Told(20_000, 500, fired - 1, 0.0), orders))
    assert "1 are not committed, and 0 are too many" in str(reference.difference(right, orders[1:]))
    assert "0 are not committed, and 1 are too many" in str(reference.difference(right, [*orders, orders[0]]))
    assert "1 are not committed, and 1 are too many" in str(reference.difference(right, [*orders[1:], "o-1"]))


def test_a_peer_tells_of_its_first_event_the_middle_and_the_last(capfd: pytest.CaptureFixture[str]) -> None:
    tally = Tally(10)
    for number in range(10):
        tally.count(new=number < 3, fired=number in (4, 7))
    first, half, last = lines_in("a library's warning\n" + capfd.readouterr().out + "peer\n")
    assert [(line.events, line.customers, line.triggers) for line in (first, half, last)] == [
        (1, 1, 0),
        (5, 3, 1),
        (10, 3, 2),
    ]
    assert first.time <= half.time <= last.time


def test_lines_are_read_as_java_writes_them_and_when_they_are_whole() -> None:
    line = 'peer {"events": 1, "customers": 1, "triggers": 0, "time": 1.795369494069E9}'
    assert list(lines_in(line)) == [Told(1, 1, 0, 1_795_369_494.069)]
    assert list(lines_in(line[:-1])) == []
    assert list(lines_in("peer pressure\nno peer {}\n")) == []


def a_peer_run(seconds: float, cpu: float) -> PeerRun:
    return PeerRun(
        events=1000,
        seconds=seconds,
        cpu_seconds=cpu,
        warm_events=500,
        warm_seconds=seconds / 4,
        warm_cpu_seconds=cpu / 3,
        peak_rss_bytes=300 << 20,
        customers=100,
        triggers=7,
    )


def test_figures_are_differences_between_the_lines() -> None:
    seen = [
        (Told(1, 1, 0, 100.0), Use(3.0, 1, 10)),
        (Told(500, 40, 2, 104.0), Use(8.0, 1, 20)),
        (Told(1000, 70, 5, 106.0), Use(9.0, 1, 30)),
    ]
    run = _figures(seen)
    assert (run.events, run.seconds, run.cpu_seconds) == (1000, 6.0, 6.0)
    assert (run.warm_events, run.warm_seconds, run.warm_cpu_seconds) == (500, 2.0, 1.0)
    assert [run.rate, run.warm_rate] == pytest.approx([1000 / 6, 250.0])
    assert (run.peak_rss_bytes, run.customers, run.triggers) == (30, 70, 5)


def test_a_peer_is_compared_with_the_same_guarantee_in_the_same_round() -> None:
    limits = [Limit(events=1000, seconds=0.1, cpu_seconds=0.1), Limit(events=1000, seconds=0.2, cpu_seconds=0.1)]
    modes = {"exactly_once": [a_run(1.0), a_run(0.5)], "at_least_once": [a_run(0.8), a_run(0.4)]}
    peers = [
        PeerSide("a peer", "exactly_once", [a_peer_run(2.0, 3.0), a_peer_run(4.0, 6.0)]),
        PeerSide("another", "at_least_once", [a_peer_run(1.6, 3.0), a_peer_run(1.2, 3.0)]),
    ]
    first, second, one, other, limit = comparison(Side("a broker", 215.0, limits, modes, peers))
    assert (first.system, first.guarantee, first.faster) == ("Offbeat", "exactly once", [1.0, 1.0])
    assert second.rate == pytest.approx([1250.0, 2500.0])
    assert one.faster == pytest.approx([2.0, 8.0])
    assert one.leaner == pytest.approx([2.0, 4.0])
    assert one.warm_rate == pytest.approx([1000.0, 500.0])
    assert one.cpu == pytest.approx([3000.0, 6000.0])
    assert one.warm_cpu == pytest.approx([2000.0, 4000.0])
    assert other.faster == pytest.approx([2.0, 3.0])
    assert limit.guarantee == "none"
    assert limit.faster == pytest.approx([0.1, 0.4])
    head, rule, *body = table_of([first, one])
    assert len({row.count("|") for row in (head, rule, *body)}) == 1
    assert body[1] == (
        "| a peer | exactly once | 1,000 | 250 / 375 / 500 | 500 / 750 / 1,000 | 3000.0 / 4500.0 / 6000.0 "
        "| 2000.0 / 3000.0 / 4000.0 | 300 / 300 / 300 | 2.00 / 5.00 / 8.00 | 2.00 / 3.00 / 4.00 |"
    )


def test_peers_are_named() -> None:
    assert list(peers_named("all")) == list(PEERS)
    assert list(peers_named("none")) == []
    assert {peer.system for peer in peers_named("faust,quix")} == {"faust", "quix"}
    with pytest.raises(UnknownPeerError, match="no peer is called 'flink': all, none, or of kstreams, quix, faust"):
        peers_named("quix,flink")


def test_an_unknown_peer_is_one_line_and_bad_usage() -> None:
    result = CliRunner().invoke(bench, ["--peers", "flink"])
    assert result.exit_code == 2
    assert "no peer is called 'flink'" in result.output


def test_names_tell_the_pinned_version_and_are_unique() -> None:
    names = [peer.name for peer in PEERS]
    assert len(set(names)) == len(names)
    assert all(re.search(r" \d+\.\d+\.\d+, ", name) for name in names)
    with pytest.raises(LookupError):
        _ = replace(PEERS[0], package="nothing").name


def test_every_peer_has_its_line_in_the_page() -> None:
    page = (HERE / "README.md").read_text()
    folders = {path.parent.name for path in (*HERE.glob("*/requirements.txt"), *HERE.glob("*/pom.xml"))}
    assert folders == set(SYSTEMS)
    assert all(f"| `{system}` |" in page for system in SYSTEMS)


def test_a_peer_that_cannot_be_made_is_left_out_and_the_report_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_java(system: str) -> str:
        raise PeerMissingError(f"{system} needs javac")

    monkeypatch.setattr("tests.bench.peers.catalog.classes_of", no_java)
    monkeypatch.setattr("tests.bench.peers.catalog.python_of", lambda system: Path(system, "python"))
    ready, missing = made(PEERS)
    assert {peer.system for peer in ready} == {"quix", "faust"}
    assert missing == ["kstreams needs javac"]
    limit = Limit(events=1000, seconds=0.1, cpu_seconds=0.1)
    side = Side("a broker", 215.0, [limit], {"exactly_once": [a_run(1.0)]}, [], missing)
    assert "  left out: kstreams needs javac" in lines_of(Report({}, 1000, [side], None, []))


def test_a_program_is_made_again_when_its_sources_change_or_it_was_broken_off(tmp_path: Path) -> None:
    source = tmp_path / "requirements.txt"
    source.write_text("a==1\n")
    assert _stale(tmp_path, [source])
    _made(tmp_path, [source])
    assert not _stale(tmp_path, [source])
    source.write_text("a==2\n")
    assert _stale(tmp_path, [source])


def test_a_command_that_fails_says_why_in_one_line() -> None:
    with pytest.raises(PeerMissingError, match=r"^it did not work: no such thing$"):
        _run("it did not work", [sys.executable, "-c", "import sys; sys.exit('hm\\nno such thing')"])


def test_what_cannot_be_made_says_why_in_one_line() -> None:
    output = "[INFO] begin\n[ERROR] cannot resolve kafka-streams\n[ERROR] see above\n"
    assert _first_error(output) == "[ERROR] cannot resolve kafka-streams"
    assert _first_error("one\n\ntwo\n") == "two"
    assert _first_error("") == "it said nothing"
