"""What is to be seen while the demo runs: a live page on a terminal, plain lines elsewhere."""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from streams.demo.page import LEAST_HEIGHT, LEAST_WIDTH, heading, page, span
from streams.demo.scene import About, Scene
from streams.demo.tally import Fired, Tally

PLAIN_WIDTH = 100
_PLAIN_SECONDS = 2.0
_NEWS_SECONDS = 0.6
"""Between two new entries of the latest triggers: faster, nobody could read them."""


class View(Protocol):
    """Where the demo tells how it is going."""

    def doing(self, what: str) -> None:
        """A step before or after the replay has begun."""

    def show(self, scene: Scene) -> None:
        """How it stands; called a few times a second."""


def console_for(plain: bool) -> Console:
    """Of standard output; `plain`: no control codes whatever the environment says."""
    if not plain:
        return Console(highlight=False)
    width = None if Console().is_terminal else PLAIN_WIDTH
    return Console(
        highlight=False, force_terminal=False, force_interactive=False, color_system=None, no_color=True, width=width
    )


def wants_plain() -> bool:
    """Whether standard output is no terminal, a dumb or a tiny one, or colours are not wanted (NO_COLOR)."""
    console = Console()
    small = console.width < LEAST_WIDTH or console.height < LEAST_HEIGHT
    utf8 = console.encoding.lower().startswith("utf")
    return not console.is_terminal or console.is_dumb_terminal or bool(os.environ.get("NO_COLOR")) or small or not utf8


@contextmanager
def viewing(console: Console, about: About, plain: bool) -> Iterator[View]:
    """The view, while the context lasts; a live page is gone after it."""
    if plain:
        view = PlainView(console)
        view.doing(f"Offbeat demo: {about.real}; {about.simulated}")
        yield view
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield LiveView(live, about)


class PlainView:
    """A line for each step, and one every two seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = time.monotonic()

    def doing(self, what: str) -> None:
        self._console.print(what, soft_wrap=True)

    def show(self, scene: Scene) -> None:
        if not scene.gauges.taken or time.monotonic() - self._told < _PLAIN_SECONDS:
            return
        self._told = time.monotonic()
        tally = scene.tally
        self._console.print(
            f"{scene.share:4.0%}  event time {span(scene.gauges.reached)}  {scene.gauges.rate:>7,.0f} events/s"
            f"  {tally.fired.total():>7,} triggers, {tally.answered.total():,} answered by an order",
            soft_wrap=True,
        )


class LiveView:
    """A page that is drawn anew."""

    def __init__(self, live: Live, about: About) -> None:
        self._live = live
        self._about = about
        self._news: deque[Fired] = deque(maxlen=20)
        self._shown: dict[str, float] = {}
        self._newest = 0.0

    def doing(self, what: str) -> None:
        self._live.update(Group(*heading(self._about), Text(), Text(f"{what} ...")), refresh=True)

    def show(self, scene: Scene) -> None:
        now = time.monotonic()
        if now - self._newest >= _NEWS_SECONDS and (fired := self._next_of(scene.tally)) is not None:
            self._newest = self._shown[fired.type] = now
            self._news.appendleft(fired)
        self._live.update(page(scene, list(self._news), self._live.console.size), refresh=True)

    def _next_of(self, tally: Tally) -> Fired | None:
        """The newest trigger of the type that was shown the longest ago, of those with a new one."""
        fresh = [fired for fired in tally.latest.values() if fired not in self._news]
        return min(fresh, key=lambda fired: (self._shown.get(fired.type, 0.0), fired.type), default=None)
