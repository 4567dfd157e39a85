"""The live page: progress, triggers by type, and a few of the latest."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.demo.scene import About, Scene
from streams.demo.tally import Fired, Tally

LEAST_WIDTH, LEAST_HEIGHT = 60, 20
_WIDE = 150
"""Columns from which a trigger and its reason fit into one line."""
_FAMILY_STYLES = {"cart": "yellow", "checkout": "yellow", "browse": "yellow", "basket": "magenta"}
_HIGH = 27
"""Rows from which there is room for one that is empty."""
_WIDEST_BAR = 60


def style_of(kind: str) -> str:
    """Colour of a trigger type, by what it is about."""
    return _FAMILY_STYLES.get(kind.partition(".")[0], "cyan")


def heading(about: About) -> list[RenderableType]:
    """What this is: two rows."""
    return [_line(("Offbeat demo  ", "bold"), about.real), _line((about.simulated, "dim"))]


def page(scene: Scene, news: Sequence[Fired], size: ConsoleDimensions) -> RenderableType:
    """The page for a terminal of that size; one row is left free, so that it never scrolls."""
    gap: list[RenderableType] = [Text()] if size.height >= _HIGH else []
    types = scene.tally.types
    rows: list[RenderableType] = [
        *heading(scene.about), Text(), _progress(scene, size.width), _reached(scene), *gap,
        _types(scene.tally, types, size.width), Text(), Text("some of the latest", style="bold"),
    ]  # fmt: skip
    taken = len(rows) + len(types)  # the table has one row more than types
    return Group(*rows, *_latest(news, size.width, size.height - 1 - taken))


def _progress(scene: Scene, width: int) -> Table:
    line = Table.grid(padding=(0, 2))
    for _ in range(4):
        line.add_column(no_wrap=True)
    line.add_row(
        ProgressBar(total=1.0, completed=scene.share, width=width - 36),
        Text(f"{scene.share:4.0%}", style="bold"),
        Text(f"{scene.gauges.rate:>7,.0f} events/s", style="bold"),
        Text(f"{scene.seconds:3.0f} s", style="dim"),
    )
    return line


def _reached(scene: Scene) -> Text:
    events = f"    {scene.gauges.taken:,} of {scene.total:,} events"
    return _line("event time ", (span(scene.gauges.reached), "bold green"), (events, "dim"))


def span(reached: tuple[int, int]) -> str:
    """The dates that the slowest and the fastest partition have reached; one when they are the same."""
    first, last = (f"{datetime.fromtimestamp(at / 1000, UTC):%d %b %Y}" if at else "not known yet" for at in reached)
    return first if first == last else f"{first} to {last}"


def _types(tally: Tally, types: Sequence[str], width: int) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True, min_width=8)
    table.add_column(no_wrap=True)
    table.add_row(*(Text(name, style="bold") for name in ("trigger", "fired", "answered", "")))
    most = max(tally.fired.values(), default=0) or 1
    bar = min(_WIDEST_BAR, width - 52)
    for kind in types:
        style = style_of(kind)
        fired, answered = tally.fired[kind], tally.answered[kind]
        table.add_row(
            Text(kind, style=style),
            Text(f"{fired:,}"),
            Text(f"{answered:,}" if answered else "", style="dim"),
            Text("━" * round(bar * fired / most), style=style),
        )
    return table


def _latest(news: Sequence[Fired], width: int, rows: int) -> list[RenderableType]:
    """As many as there is room for, the newest first."""
    shown: list[RenderableType] = []
    for fired in news[: rows if width >= _WIDE else rows // 2]:
        date = f"{datetime.fromtimestamp(fired.at / 1000, UTC):%d %b %Y}  "
        head = (date, (f"{fired.type:<22}", style_of(fired.type)), f"customer {fired.customer}")
        if width >= _WIDE:
            shown.append(_line(*head, (f"  {fired.reason}", "dim")))
        else:
            shown += [_line(*head), _line((f"             {fired.reason}", "dim"))]
    return shown


def _line(*parts: str | tuple[str, str]) -> Text:
    line = Text.assemble(*parts)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
