"""Workers that go by what is published, and learn: on brokers, as processes, against the pure core."""

import json
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streams.brokers.embedded import EmbeddedBroker
from streams.flow.messages import json_line
from streams.refit import records
from streams.refit.hand import read_board
from tables.parameters import BUILTIN, Parameters, dump_parameters
from tests.streams.refit.test_running import gone
from tests.support.pipes import QUICK, Kept, Run
from tests.support.published import published
from tests.support.topics_io import Broker, Send, event, produce, read_all
from tests.support.workers import Deployment, Worker, deploy, offbeat, running

DAY = 86_400_000
MONDAY = 1_600_041_600_000
PARTITIONS = 2
Stand = dict[tuple[str, int], int]
"""How many records each partition of each source had at a time."""


def orders(to: Deployment, first: int, last: int, customers: int = 60) -> Iterator[Send]:
    """Of days from `first` on: who has ordered, orders again a week later, and some stop one day."""
    for day in range(first, last):
        for number in range(customers):
            if (day + number) % 7 == 0 and day < 20 + 3 * number:
                yield event(
                    *(to.topic("purchases"), f"c{number}", MONDAY + day * DAY + 1000 * number, "order.completed"),
                    event_id=f"e{number}-{day}",
                    order_id=f"o{number}-{day}",
                    total=20.0 + number,
                    currency="EUR",
                    items=[],
                )


def marks(to: Deployment, day: int) -> list[Send]:
    """Nothing earlier follows, anywhere."""
    mark = json.dumps({"type": "time.mark", "occurred_at": MONDAY + day * DAY}).encode()
    topics = [to.topic(name) for name in ("purchases", "carts", "customers")]
    return [Send(topic, None, mark, number) for topic in topics for number in range(PARTITIONS)]


def trade(to: Deployment, first: int, last: int, *workers: Worker) -> Stand:
    """These days pass, and the workers have taken all of it; how far that is."""
    produce(to.broker, [*orders(to, first, last), *marks(to, last)])
    ends = Counter((record.topic, record.partition) for record in read_all(to.broker, to.settings.sources))
    for _ in range(2):  # lag is as told a moment ago: the events, too, must be counted
        workers[0].wait_until(lambda: taken(workers) >= events(to) and not lag(workers), 60)
    return dict(ends)


def events(to: Deployment) -> int:
    return sum(b"time.mark" not in (record.value or b"") for record in read_all(to.broker, to.settings.sources))


def taken(workers: tuple[Worker, ...]) -> float:
    return sum(worker.metric("offbeat_events_total") for worker in workers)


def lag(workers: tuple[Worker, ...]) -> float:
    return sum(worker.metric("offbeat_lag_records") for worker in workers)


def by_the_pure_core(to: Deployment, *phases: tuple[Stand, Parameters]) -> Counter[str]:
    """What comes of the records in the topics, partition by partition: as far as each stand by these parameters."""
    kept: dict[tuple[str, int], list[Kept]] = defaultdict(list)
    for record in read_all(to.broker, to.settings.sources):
        kept[record.topic, record.partition].append(Kept(record.offset, record.key, record.value))
    found: Counter[str] = Counter()
    for number in range(PARTITIONS):
        places = [(topic, number) for topic in to.settings.sources]
        run = Run([kept[place] for place in places], parameters=phases[0][1])
        for stand, parameters in phases:
            if run.pipeline.core.parameters is not parameters:
                run.pipeline.core.adopt_parameters(parameters)
                run.work_all()
            for source, place in enumerate(places):
                run.fetch(source, stand[place] - run.pipeline.merge.feeds[source].fetched)
            run.work_all()
        found.update(shown(json.loads(json_line(decision))) for decision in run.decisions)
    return found


def sent(to: Deployment) -> Counter[str]:
    """What the workers have sent."""
    topics = [to.topic(f"triggers.{family}") for family in ("repurchase", "cart", "basket", "suppressed")]
    return Counter(shown(message.json) for message in read_all(to.broker, topics))


def shown(value: dict[str, Any]) -> str:
    return json.dumps({key: value[key] for key in value if key not in ("topic", "ce_type")}, sort_keys=True)


def versions(found: Counter[str]) -> set[str]:
    """Of the parameters that triggers of absence name."""
    evidence = [json.loads(line).get("evidence", {}) for line in found]
    return {one["parameters"] for one in evidence if "parameters" in one}


def goes_by(worker: Worker, version: str) -> bool:
    return bool(worker.health()["parameters"] == version and worker.metric("offbeat_parameters_info", version=version))


def rubbish(to: Deployment, *more: Send) -> None:
    topic = to.settings.published
    newer = records.published.encode(published(7)).replace(b'"form":1', b'"form":2')
    found = [
        Send(topic, b"parameters/7", newer, 0),
        Send(topic, b"stranger", b"x", 0),
        Send(topic, b"sample/0", b"\x00", 0),
    ]
    produce(to.broker, [*found, *more])


def test_workers_go_by_what_is_published_exactly_as_the_pure_core_does(broker: Broker, tmp_path: Path) -> None:
    """By a command, with rubbish around it; a worker that comes later begins with it."""
    to = deploy(broker, clock="event")
    file = tmp_path / "quick.json"
    file.write_bytes(dump_parameters(QUICK))
    rubbish(to)
    with running(to.environ) as one, running(to.environ) as two:
        one.wait_until(lambda: len(one.health()["partitions"]) == len(two.health()["partitions"]) == 1)
        assert goes_by(one, BUILTIN.version)
        first = trade(to, 0, 50, one, two)
        done = offbeat("parameters", "publish", str(file), environ=to.environ)
        assert (done.returncode, done.stdout) == (0, f"{QUICK.version} is in force\n"), done.stderr
        rubbish(to)
        one.wait_until(lambda: goes_by(one, QUICK.version) and goes_by(two, QUICK.version))
        second = trade(to, 50, 110, one, two)
        assert one.metric("offbeat_parameters_ignored_total") == 6
        assert one.errors.count(" is left alone: ") == 6
    with Worker(to.environ) as last:
        last.wait_ready()
        assert goes_by(last, QUICK.version), "before it takes events"
        found = sent(to)
        assert versions(found) == {BUILTIN.version, QUICK.version}
        assert found == by_the_pure_core(to, (first, BUILTIN), (second, QUICK))
        last.kill()


def test_a_rebalance_in_the_middle_of_adopting_loses_and_repeats_nothing(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Who moves is dated anew at once instead of in turn: hours of event time sooner, under the same ids."""
    to = deploy(embedded_broker, clock="event")
    file = tmp_path / "quick.json"
    file.write_bytes(dump_parameters(QUICK))
    with running(to.environ) as one:
        first = trade(to, 0, 50, one)
        assert offbeat("parameters", "publish", str(file), environ=to.environ).returncode == 0
        one.wait_until(lambda: goes_by(one, QUICK.version))
        with running(to.environ) as two:
            one.wait_until(lambda: len(one.health()["partitions"]) == len(two.health()["partitions"]) == 1)
            second = trade(to, 50, 110, one, two)
    assert ids(sent(to)) == ids(by_the_pure_core(to, (first, BUILTIN), (second, QUICK)))


def ids(found: Counter[str]) -> Counter[tuple[str, str]]:
    told = [json.loads(line) for line in found.elements()]
    return Counter((one["type"], one["trigger_id"]) for one in told)


HANGS = """
import streams.refit.running as running
hangs = '''
import os
open(os.environ["PID"], "w").write(str(os.getpid()))
while os.read(0, 4096):
    pass
'''
running.refit_apart.__defaults__ = (900.0, ("-c", hangs))
from streams.__main__ import main
main()
"""


class Stuck(Worker):
    """A worker whose refits never end; `PID` in its environment names the file with their process id."""

    program = ("-c", HANGS)


def refit_of(worker: Worker, file: Path) -> int:
    worker.wait_until(lambda: file.exists() and bool(file.read_text()), 60)
    return int(file.read_text())


def test_a_refit_that_is_killed_costs_a_line_and_nothing_else(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    to = deploy(embedded_broker, clock="event", refit="28d")
    file = tmp_path / "pid"
    with Stuck({**to.environ, "PID": str(file)}) as worker:
        worker.wait_ready()
        first = trade(to, 0, 40, worker)
        os.kill(refit_of(worker, file), signal.SIGKILL)
        worker.wait_told("parameters: a refit failed: it ended with status -9; those of now stay")
        worker.wait_metric("offbeat_refits_total", 1, outcome="failed")
        worker.wait_metric("offbeat_refit_failing_rounds", 1)
        file.unlink()
        second = trade(to, 40, 110, worker)  # the next round: it hangs again, and nothing waits for it
        again = refit_of(worker, file)
        assert sent(to) == by_the_pure_core(to, (first, BUILTIN), (second, BUILTIN))
        assert worker.stop() == 0
    assert gone(again), "nothing is left of it"


def test_who_takes_partition_0_over_fits_what_the_former_owner_did_not(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """In the middle of a refit its worker is killed; the next one begins it again."""
    to = deploy(embedded_broker, clock="event", refit="28d")
    file = tmp_path / "pid"
    with Stuck({**to.environ, "PID": str(file)}) as first:
        first.wait_ready()
        stand = trade(to, 0, 120, first)
        refit = refit_of(first, file)
        first.kill()
    with running(to.environ) as second:
        second.wait_metric("offbeat_refits_total", 1, 120)
        board = read_board(to.settings)
        assert board.tried is not None
        assert board.tried.until == MONDAY + 120 * DAY
        assert board.parameters is not None
        expected = by_the_pure_core(to, (stand, BUILTIN), (stand, board.parameters))
        second.wait_until(lambda: sent(to).keys() == expected.keys(), 60)
    assert gone(refit), "it has ended with its worker"


def test_a_shop_is_learnt_and_all_workers_go_by_it(embedded_broker: EmbeddedBroker) -> None:
    to = deploy(embedded_broker, clock="event", refit="28d")
    with running(to.environ) as one, running(to.environ) as two:
        one.wait_until(lambda: len(one.health()["partitions"]) == len(two.health()["partitions"]) == 1)
        workers = (one, two)
        first = trade(to, 0, 120, *workers)
        one.wait_until(lambda: sum(worker.metric("offbeat_refits_total") for worker in workers) == 1, 120)
        board = read_board(to.settings)
        assert board.tried is not None
        assert (board.tried.outcome, board.tried.until) == ("adopted", MONDAY + 120 * DAY), board.tried.why
        assert board.parameters is not None
        learnt = board.parameters
        one.wait_until(lambda: goes_by(one, learnt.version) and goes_by(two, learnt.version))
        second = trade(to, 120, 121, *workers)
        found = sent(to)
        assert versions(found) >= {BUILTIN.version}
        expected = by_the_pure_core(to, (first, BUILTIN), (second, learnt))
        assert found == expected
