"""What a soak comes to: what is not so, a table, and all of it as JSON."""

from dataclasses import asdict
from typing import Any

from tests.soak.run import Outcome

_HEAD = ("", "found", "bound")


def failures(outcome: Outcome) -> list[str]:
    """A line for each thing that is not as it should be."""
    bounds, verdict = outcome.plan.bounds, outcome.verdict
    lines = [
        f"{one.what}: the lag was not below {bounds.lag:g} s within {bounds.back:g} s"
        for one in outcome.restarts
        if one.back is None
    ]
    if outcome.calm_lag > bounds.lag:
        lines.append(f"while nothing was restarted an event waited for {outcome.calm_lag:.1f} s: give a lower --rate")
    lines += [
        f"worker {one.worker} grew by {one.growth:.1%} in {one.seconds:.0f} s"
        for one in outcome.stretches
        if one.growth > bounds.growth
    ]
    if not outcome.stretches:
        lines.append("no worker ran for long enough to say anything about its memory: give more --minutes")
    lines += [f"partition {number} was not worked off at the end" for number in outcome.stuck]
    lines += [f"worker {end.slot} ended with {end.status}: {end.last_lines}" for end in outcome.odd_ends]
    wrong = {
        "messages are missing": verdict.missing,
        "messages are wrong or repeated": verdict.extra,
        "states are wrong": verdict.wrong_states,
        "dead letters differ": abs(verdict.dead_letters - verdict.dead_letters_due),
    }
    return [*lines, *(f"{count} {what}" for what, count in wrong.items() if count)]


def table(outcome: Outcome) -> list[str]:
    """In Markdown."""
    bounds, verdict, plan = outcome.plan.bounds, outcome.verdict, outcome.plan
    rows = [
        ("events", f"{outcome.lines:,} in {outcome.seconds:.0f} s, {plan.rate:.0f} a second", ""),
        ("customers", f"{verdict.customers:,} remembered", f"{plan.customers:,}"),
        *(
            (
                one.what,
                "not back" if one.back is None else f"back after {one.back:.1f} s, lag {one.lag:.1f} s",
                f"{bounds.back:g} s",
            )
            for one in outcome.restarts
        ),
        ("longest lag in calm", f"{outcome.calm_lag:.1f} s", f"{bounds.lag:g} s"),
        *(
            (
                f"memory of worker {one.worker}",
                f"{one.median:.0f} MiB, {one.growth:+.1%} in {one.seconds:.0f} s ({one.slope:+.1f} MiB/h)",
                f"{bounds.growth:+.1%}",
            )
            for one in outcome.stretches
        ),
        ("messages", f"{verdict.messages:,}", ""),
        ("missing", str(verdict.missing), "0"),
        ("wrong or repeated", str(verdict.extra), "0"),
        ("wrong states", str(verdict.wrong_states), "0"),
        ("dead letters", str(verdict.dead_letters), str(verdict.dead_letters_due)),
    ]
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]

    def line(cells: tuple[str, ...]) -> str:
        return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"

    return [line(_HEAD), f"|{'|'.join('-' * (width + 2) for width in widths)}|", *map(line, rows)]


def as_json(outcome: Outcome, capacity: float | None) -> dict[str, Any]:
    """All of it, as plain values; `capacity`: events in a second, None when it was not measured."""
    found = asdict(outcome)
    del found["plan"]["redis"]  # it may hold a password
    for told, one in zip(found["stretches"], outcome.stretches, strict=True):
        told["growth"] = one.growth
    return {**found, "views": bool(outcome.plan.redis), "capacity": capacity, "failures": failures(outcome)}
