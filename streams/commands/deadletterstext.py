"""What `dead-letters` prints. On standard output, or on standard error before a question."""

import click

from streams.commands.output import printable, show_json, show_rows
from streams.deadletters.judge import Verdicts
from streams.deadletters.letter import Wanted
from streams.deadletters.listing import Group, Listing, Place


def show_listing(found: Listing) -> None:
    """A row for each group, then its examples."""
    groups = found.groups
    if not groups:
        click.echo("no dead letters")
        return
    columns = ("reason", "from", "letters", "", "first", "last")
    show_rows(columns, [_row(place, group) for place, group in groups])
    for place, group in groups:
        if group.examples:
            click.echo()
            show_rows(("example", "from", "refused", "why", "key", "value"), _examples(place, group))


def _from(place: Place) -> str:
    _, topic, partition = place
    return f"{topic}[{partition}]" if partition >= 0 else topic


def _row(place: Place, group: Group) -> tuple[str, ...]:
    notes = [f"{group.sent_back:,} sent back"] if group.sent_back else []
    notes += [f"{group.again:,} refused again"] if group.again else []
    told = group.as_json(place)
    return place[0], _from(place), f"{group.count:,}", ", ".join(notes), told["first"], told["last"]


def _examples(place: Place, group: Group) -> list[tuple[str, ...]]:
    return [
        (
            place[0],
            f"{_from(place)} at offset {e['source_offset']}" if place[2] >= 0 else "",
            e["at"],
            e["why"] or "",
            f"key {_none(e['key'])}",
            f"value {_none(e['value'])}",
        )
        for e in group.examples
    ]


def _none(text: str | None) -> str:
    return "(none)" if text is None else text


def tell(found: Verdicts, wanted: Wanted, *, sent: bool, as_json: bool) -> None:
    """What was sent back, or would be, and what stays."""
    if as_json:
        told = {
            "dry_run": not sent,
            "sent" if sent else "would_pass": found.passing,
            "would_not_pass": found.staying,
            "reasons": found.as_json(),
            "sent_back_before": found.before,
        }
        show_json(told)
        return
    tell_staying(found)
    before = f"; {found.before:,} were sent back before" if found.before else ""
    more = "; there may be more (--limit)" if found.passing == wanted.limit else ""
    if sent:
        click.echo(f"sent {found.passing:,} back, {found.staying:,} stay{before}{more}")
    else:
        would = "would be sent back" if wanted.everything else "would pass now"
        click.echo(f"{found.passing:,} of {found.passing + found.staying:,} {would}{before}{more}")


def tell_staying(found: Verdicts, *, err: bool = False) -> None:
    """What would not pass, by reason."""
    rows = [
        (told["reason"], f"{told['count']:,}", told["example"]["why"], _place(told["example"]))
        for told in found.as_json()
    ]
    if err:
        for row in rows:
            click.echo(printable("  ".join(row)), err=True)
    elif rows:
        show_rows(("would not pass", "letters", "the first of them", "where it is"), rows)


def _place(example: dict[str, object]) -> str:
    return f"dead letter {example['offset']} of partition {example['partition']}"
