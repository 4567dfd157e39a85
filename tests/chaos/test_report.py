"""What a run comes to is told rightly, above all what is wrong."""

import json
from collections import Counter

from tables.customer import Customer
from tests.chaos.plan import Fault
from tests.chaos.report import as_json, details, summary, table
from tests.chaos.round import Done, Outcome, attribute
from tests.chaos.slot import OddEnd
from tests.chaos.watch import Pause
from tests.support.oracle import Difference, Written

MESSAGE: Written = ("triggers.cart", b"c1", b"{}", ())


def done(kind: str, began: float = 0.0, pause: float = 0.0, stuck: list[int] | None = None) -> Done:
    return Done(Fault(kind, None, 1.0, 0, 0, 0.0), began, stuck or [], pause)


def counter(count: int) -> Counter[Written]:
    return Counter({MESSAGE: count} if count else {})


def outcome(
    *faults: Done,
    lost: int = 0,
    repeated: int = 0,
    foreign: int = 0,
    wrong: int = 0,
    odd: OddEnd | None = None,
    delivery: str = "exactly_once",
) -> Outcome:
    states: dict[bytes, tuple[Customer | None, Customer | None]] = {
        b"c%d" % n: (None, Customer()) for n in range(wrong)
    }
    difference = Difference(counter(lost), counter(repeated), counter(foreign), states)
    return Outcome(1, list(faults), difference, [], [odd] if odd else [], 50, 3, delivery)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table() -> None:
    first = outcome(done("worker-kill", pause=2.0), done("broker-kill", pause=4.0), done("worker-kill", pause=3.0))
    second = outcome(done("broker-kill"), lost=1, repeated=2, foreign=4, wrong=3)
    head, rule, *rows = table([first, second])
    assert cells(head) == ["fault", "times", "lost", "repeated", "wrong message", "wrong state", "longest pause"]
    assert set(rule) == {"|", "-"}
    assert [cells(row) for row in rows] == [
        ["worker-kill", "2", "0", "0", "0", "0", "3.0 s"],
        ["broker-kill", "2", "1", "2", "4", "3", "4.0 s"],
        ["all", "4", "1", "2", "4", "3", "4.0 s"],
    ]
    assert len({len(line) for line in (head, rule, *rows)}) == 1
    assert cells(table([])[-1]) == ["all", "0", "0", "0", "0", "0", "0.0 s"]


def test_a_round_is_right_only_if_nothing_is_wrong() -> None:
    assert outcome(done("worker-kill")).right
    assert outcome(repeated=1, delivery="at_least_once").right
    for wrong in (
        outcome(lost=1),
        outcome(repeated=1),
        outcome(foreign=1, delivery="at_least_once"),
        outcome(wrong=1),
        outcome(odd=OddEnd(1, 70, "crashed")),
    ):
        assert not wrong.right
        assert "WRONG" in summary(4, wrong)
    late = outcome(done("worker-kill", stuck=[2]))
    assert not late.right
    assert "worker-kill: [2] late" in summary(4, late)
    stuck = outcome(done("worker-kill"))
    stuck.stuck.append(3)
    assert not stuck.right
    assert "partitions [3] were not worked off" in summary(4, stuck)


def test_details_name_everything() -> None:
    told = details(outcome(lost=1, repeated=2, foreign=3, wrong=1, odd=OddEnd(1, 70, "the last line")))
    for part in (
        "lost 1: ('triggers.cart'",
        "repeated 2: ('triggers.cart'",
        "state b'c0'",
        "ended with 70:\nthe last line",
    ):
        assert part in told


def test_as_json() -> None:
    found = json.loads(json.dumps(as_json({"seed": 1}, [(2, outcome(done("worker-kill", pause=1.234), lost=2))])))
    assert found["options"] == {"seed": 1}
    (only,) = found["rounds"]
    assert (only["round"], only["right"], only["lost"], only["repeated"], only["wrong_states"]) == (2, False, 2, 0, 0)
    assert only["faults"] == [
        {"fault": "worker-kill", "what": "worker-kill worker 0, 1.0 s, when all is well", "pause": 1.23, "late": []}
    ]


def test_a_pause_belongs_to_the_fault_that_it_began_with() -> None:
    faults = [done("worker-kill", 10.0), done("broker-kill", 12.0), done("worker-stop", 20.0)]
    attribute([Pause(0, 1.0, 2.0), Pause(0, 9.0, 14.0), Pause(1, 15.0, 16.0), Pause(2, 15.0, 18.0)], faults)
    assert [fault.pause for fault in faults] == [5.0, 3.0, 0.0]
