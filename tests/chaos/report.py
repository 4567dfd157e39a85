"""What a run comes to: a table by kind of fault, and all of it as JSON."""

from collections.abc import Sequence
from typing import Any

from tests.chaos.plan import KINDS
from tests.chaos.round import Done, Outcome

_HEAD = ("fault", "times", "lost", "repeated", "wrong message", "wrong state", "longest pause")


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A table in Markdown. A loss counts for every kind of fault of its round: nobody knows which one it was."""
    rows = [row for kind in KINDS if (row := _row(kind, outcomes)) is not None]
    total = _numbers(outcomes)
    times = sum(len(outcome.done) for outcome in outcomes)
    pause = max((outcome.pause for outcome in outcomes), default=0.0)
    rows.append(("all", str(times), *map(str, total), f"{pause:.1f} s"))
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"

    return [line(_HEAD), f"|{'|'.join('-' * (width + 2) for width in widths)}|", *map(line, rows)]


def _row(kind: str, outcomes: Sequence[Outcome]) -> tuple[str, ...] | None:
    hit = [outcome for outcome in outcomes if any(done.fault.kind == kind for done in outcome.done)]
    done = [one for outcome in hit for one in outcome.done if one.fault.kind == kind]
    if not done:
        return None
    return kind, str(len(done)), *map(str, _numbers(hit)), f"{max(one.pause for one in done):.1f} s"


def _numbers(outcomes: Sequence[Outcome]) -> tuple[int, int, int, int]:
    """Lost, repeated, wrong messages, wrong states."""
    found = [outcome.difference for outcome in outcomes]
    counters = [[d.lost.total(), d.repeated.total(), d.foreign.total(), len(d.wrong)] for d in found]
    lost, repeated, foreign, wrong = (sum(column) for column in zip([0] * 4, *counters, strict=True))
    return lost, repeated, foreign, wrong


def summary(number: int, outcome: Outcome) -> str:
    """A round in one line."""
    lost, repeated, foreign, wrong = _numbers([outcome])
    stuck = [f"partitions {outcome.stuck} were not worked off"] if outcome.stuck else []
    slow = [f"{done.fault.kind}: {done.stuck} late" for done in outcome.done if done.stuck]
    odd = [f"worker {end.slot} ended with {end.status}" for end in outcome.odd_ends]
    told = ", ".join(("right" if outcome.right else "WRONG", *stuck, *slow, *odd))
    return (
        f"round {number}: {told}: {outcome.messages} messages, {lost} lost, {repeated} repeated, {foreign} wrong; "
        f"{wrong} states wrong; {outcome.starts} starts of workers, longest pause {outcome.pause:.1f} s"
    )


def details(outcome: Outcome) -> str:
    """All that is wrong with a round."""
    found = outcome.difference
    lines = [f"lost {count}: {message}" for message, count in found.lost.items()]
    lines += [f"repeated {count}: {message}" for message, count in found.repeated.items()]
    lines += [f"wrong {count}: {message}" for message, count in found.foreign.items()]
    lines += [f"state {key!r}:\n  is        {is_}\n  should be {due}" for key, (is_, due) in found.wrong.items()]
    lines += [f"worker {end.slot} ended with {end.status}:\n{end.last_lines}" for end in outcome.odd_ends]
    return "\n".join(lines) + "\n"


def as_json(options: dict[str, Any], outcomes: Sequence[tuple[int, Outcome]]) -> dict[str, Any]:
    """Options and rounds, as plain values."""
    return {"options": options, "rounds": [_round(number, outcome) for number, outcome in outcomes]}


def _round(number: int, outcome: Outcome) -> dict[str, Any]:
    lost, repeated, foreign, wrong = _numbers([outcome])
    return {
        "round": number,
        "right": outcome.right,
        "messages": outcome.messages,
        "lost": lost,
        "repeated": repeated,
        "wrong_messages": foreign,
        "wrong_states": wrong,
        "stuck": outcome.stuck,
        "worker_starts": outcome.starts,
        "odd_ends": [{"worker": end.slot, "status": end.status} for end in outcome.odd_ends],
        "faults": [_fault(done) for done in outcome.done],
    }


def _fault(done: Done) -> dict[str, Any]:
    return {"fault": done.fault.kind, "what": str(done.fault), "pause": round(done.pause, 2), "late": done.stuck}
