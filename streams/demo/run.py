"""The demo from the first step to the last."""

import asyncio
import gc
import time

from streams.demo.cdnow import END, read_cdnow
from streams.demo.feed import demo_lines
from streams.demo.flow import run_through
from streams.demo.gauges import Gauges
from streams.demo.scene import About, Scene
from streams.demo.stage import Stage
from streams.demo.story import Storyteller
from streams.demo.summary import Summary
from streams.demo.tally import Tally
from streams.demo.truth import judge, orders_of
from streams.demo.view import View, console_for, viewing, wants_plain
from streams.logs import LogLine


def run_demo(customers: int | None, seed: int) -> None:
    """Show it on standard output. Raises DataError, DemoError; nothing is left running whatever happens."""
    plain = wants_plain()
    console = console_for(plain)
    orders = read_cdnow(customers)
    about = About(
        f"{sum(map(len, orders.values())):,} real orders of {len(orders):,} customers (CDNOW, 1997-98)",
        "time of day, carts and views are simulated around them",
    )
    with viewing(console, about, plain) as view, Stage() as stage:
        view.doing("starting a Kafka broker and a worker process")
        stage.open_broker()
        stage.start_worker()
        lines = demo_lines(orders, seed)  # the worker takes its time to start anyway
        stage.await_worker()
        scene = Scene(len(lines), about, Tally(), Gauges(stage.settings.metrics), time.monotonic())
        view.doing(f"replaying {len(lines):,} events in event time, as fast as they are taken")
        seconds = _replay(stage, lines, scene, view)
        view.doing("reading the stories")
        orders_at = orders_of(lines)
        stories = Storyteller(lines, scene.tally.triggers.values(), orders_at).stories()
        truths = judge(scene.tally.triggers.values(), orders_at, END)
    summary = Summary(console)
    summary.run(scene.total, seconds, None if plain else about)
    summary.stories(stories)
    summary.triggers(scene.tally)
    summary.truths(truths)
    summary.next_steps()


def _replay(stage: Stage, lines: list[LogLine], scene: Scene, view: View) -> float:
    """Everything through broker and worker; how many seconds it took, until the last trigger was read."""
    gc.collect()
    gc.freeze()  # hundreds of thousands of lines that stay: looking through them again and again would be felt
    try:
        asyncio.run(run_through(stage, lines, scene.tally, scene.gauges, lambda: view.show(scene)))
        return scene.seconds
    finally:
        gc.unfreeze()
