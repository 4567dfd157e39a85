"""What is printed when the demo has ended."""

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from agents.decisions import spell
from streams.demo.page import style_of
from streams.demo.scene import About
from streams.demo.story import Story
from streams.demo.tally import Tally
from streams.demo.truth import HORIZON_DAYS, Truth

_WIDEST = 110
_MARKS = {"order": ("$", "green"), "cart": ("+", "yellow"), "trigger": ("!", "bold"), "answer": ("<", "green")}
_GROUPS = {
    "from the real orders": ("repurchase", "first_purchase", "basket"),
    "from the simulated carts and views": ("cart", "checkout", "browse", "product"),
}
_JUDGED = ("repurchase.overdue", "first_purchase.lapsed")


Part = str | tuple[str, str]


class Summary:
    """Prints to a console; the same content with and without colours."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, _WIDEST)

    def run(self, events: int, seconds: float, about: About | None) -> None:
        """How much, and how fast; `about` where it is not to be seen any more."""
        if about:
            self._line((f"Offbeat demo: {about.real}", "bold"))
            self._line((about.simulated, "dim"))
        rate = events / max(seconds, 0.001)
        self._wrapped(
            f"{events:,} events in {seconds:.1f} s ({rate:,.0f} events/s) through a Kafka broker and one worker, "
            "until the last trigger was read",
            "bold",
        )

    def stories(self, stories: Sequence[Story]) -> None:
        """Each as a small timeline."""
        for story in stories:
            self._heading(story.title)
            for moment in story.moments:
                sign, style = _MARKS.get(moment.mark, (" ", "dim"))
                date = f"{datetime.fromtimestamp(moment.at / 1000, UTC):%Y-%m-%d %H:%M}"
                self._hanging([(f"  {date}  ", "dim"), (f"{sign} ", style)], moment.text, style)
        if not stories:
            self._wrapped("Too few customers for a story: leave --customers out.", "dim")

    def triggers(self, tally: Tally) -> None:
        """By type: how many, how many an order answered, and after how long."""
        self._heading("Triggers")
        self._line((f"{'':<24}{'fired':>9}{'answered by a later order':>29}", "dim"))
        for title, families in _GROUPS.items():
            self._line((f"  {title}", "dim"))
            for kind in tally.types:
                if kind.partition(".")[0] in families:
                    self._line((f"  {kind:<22}", style_of(kind)), *_figures(tally, kind))
        if tally.suppressed or tally.dead_letters:
            self._line(f"  held back by guards: {tally.suppressed:,}; dead letters: {tally.dead_letters:,}")

    def truths(self, truths: Mapping[str, Truth]) -> None:
        """Whether the customers really stayed away."""
        self._heading(f"Did they really stay away, with no order for {HORIZON_DAYS} days?")
        for kind in _JUDGED:
            truth = truths.get(kind)
            if truth is None:
                found: tuple[Part, ...] = (f"none fired {HORIZON_DAYS} days before the end of the log",)
            else:
                found = ("yes after ", (f"{truth.share:.1%}", "bold"), f" of {truth.judged:,} triggers")
            self._line((f"  {kind:<22}", style_of(kind)), "  ", *found)
        self._wrapped(
            f"Counted from the orders alone, for triggers at least {HORIZON_DAYS} days before the end of the log; the "
            "rules ask for 80 %. The built-in population figures were fitted to this very log, so this illustrates and "
            "does not prove: a backtest of your own log tells what the rules are worth for you.",
            "dim",
            indent="  ",
        )

    def next_steps(self) -> None:
        """Where to go from here."""
        program = program_name()
        self._heading("Where to go next")
        for what, command in (
            ("your own orders and carts", f"{program} backtest LOG.csv --triggers OUT.jsonl"),
            ("every number that decides", f"{program} rules show"),
            ("on your Kafka", f"OFFBEAT_BROKERS=HOST:PORT {program} worker"),
            ("how it works", "README.md"),
        ):
            self._line(f"  {what:<27}", (command, "bold"))

    def _heading(self, text: str) -> None:
        self._console.print()
        self._line((text, "bold"))

    def _line(self, *parts: Part) -> None:
        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def _wrapped(self, text: str, style: str, indent: str = "") -> None:
        for line in textwrap.wrap(text, self._width, initial_indent=indent, subsequent_indent=indent):
            self._line((line, style))

    def _hanging(self, head: list[Part], text: str, style: str) -> None:
        """A head, and a text beside it that keeps to its column."""
        indent = sum(len(part[0]) for part in head)
        first, *more = textwrap.wrap(text, max(20, self._width - indent)) or [""]
        self._line(*head, (first, style))
        for line in more:
            self._line(" " * indent, (line, style))


def _figures(tally: Tally, kind: str) -> list[Part]:
    fired, answered = tally.fired[kind], tally.answered[kind]
    after = tally.median_answer(kind)
    if not answered or after is None:
        return [f"{fired:>9,}"]
    middle = f"half of them within {spell(round(after))}"
    return [f"{fired:>9,}{answered:>9,} {answered / fired:>4.0%}, ", (middle, "dim")]


def program_name() -> str:
    """How the reader can call us from where they are."""
    if shutil.which("offbeat"):
        return "offbeat"
    script = Path(sys.executable).parent / "offbeat"
    if not script.exists():
        return f"{Path(sys.executable).name} -m streams"
    with suppress(ValueError):
        return str(script.relative_to(Path.cwd()))
    return str(script)
