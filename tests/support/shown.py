"""Drives views as a worker does, with a Redis and a time of the test's own; and reads what is shown."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec
from prometheus_client import CollectorRegistry
from redis import Redis

from agents.portrait import Painter
from agents.rulebook.rules import Rules
from streams.settings import Settings
from streams.views.keeper import Keeper
from streams.views.outbox import Outbox
from streams.views.render import Renderer
from streams.views.store import ViewStore
from streams.watch.viewmetrics import ViewMetrics
from tables.customerform import unpack
from tables.parameters import BUILTIN
from tests.support.pipes import QUICK, Run
from tests.support.topics_io import Broker, packed_states

Shown = dict[bytes, dict[str, Any]]
DAY_MS = 86_400_000


def shown_in(client: Any, prefix: str, family: str = "customer") -> dict[bytes, Any]:
    """What there is, by customer: views, or the list of what was sent, oldest first."""
    head = f"{prefix}offbeat:{family}:".encode()
    keys = list(client.scan_iter(match=head + b"*", count=1000))
    if family == "sent":
        return {key[len(head) :]: [json.loads(entry) for entry in client.zrange(key, 0, -1)] for key in keys}
    found = {key[len(head) :]: client.get(key) for key in keys}
    return {key: json.loads(view) for key, view in found.items() if view is not None}  # None: deleted meanwhile


def timeless(views: Shown) -> Shown:
    """Without what depends on when a view was drawn."""
    timed = {"as_of", "p_alive", "expected_orders", "value", "vip_candidate"}
    return {key: {k: v for k, v in view.items() if k not in timed} for key, view in views.items()}


def durable_views(broker: Broker, settings: Settings) -> Shown:
    """What is to be shown, from the changelog; `timeless`."""
    packed, _ = packed_states(broker, settings)
    return drawn(Painter(Rules(), BUILTIN), {key: state for states in packed.values() for key, state in states.items()})


def drawn(painter: Painter, packed: Mapping[bytes, bytes]) -> Shown:
    """The views of these states, `timeless`."""
    portraits = painter.portraits([(key.decode(), unpack(state)) for key, state in packed.items()], 0)
    return timeless({p.customer_id.encode(): json.loads(msgspec.json.encode(p)) for p in portraits})


class ViewsOf:
    """One worker's views of one partition number, number 0. Time passes when the test says so.

    :param run: the worker's care for it; `begin` follows a restart of it
    """

    def __init__(self, url: str, run: Run, *, prefix: str | None = None, most: int = 50_000) -> None:
        self.prefix = f"t{uuid4().hex[:8]}." if prefix is None else prefix
        self.settings = Settings(redis=url, prefix=self.prefix)
        self.run, self.seconds = run, 0.0
        self.metrics = ViewMetrics(CollectorRegistry())
        self.outbox = Outbox(self.metrics, most, lambda: self.seconds)
        self.renderer = Renderer(Painter(Rules(), QUICK))
        self.store = ViewStore(self.settings)
        self.keeper = Keeper(
            self.store,
            self.renderer,
            self.outbox,
            self.metrics,
            name=uuid4().hex,
            refresh=DAY_MS,
            wall=self,
            clock=lambda: self.seconds,
            rest=lambda _seconds: None,
        )
        self._told = len(run.outcomes)

    def now(self) -> int:
        """The wall clock."""
        return self.run.now

    def begin(self) -> None:
        self.outbox.begin(0, self.run.pipeline)
        self._told = len(self.run.outcomes)

    def work(self) -> None:
        """Take what there is; the views hear of it."""
        self.run.catch_up()
        for outcome in self.run.outcomes[self._told :]:
            if not outcome.empty:
                self.outbox.durable(0, outcome)
        self._told = len(self.run.outcomes)
        self.outbox.idle(0, self.run.pipeline)

    def settle(self) -> None:
        """Rounds until nothing is left to be shown."""
        for _ in range(1000):
            self.keeper.round()
            self.outbox.idle(0, self.run.pipeline)
            if not self.outbox.waiting and not any(part.renewing for part in self.outbox.parts()):
                return
        raise AssertionError("views do not come to an end")

    def end(self, *, settled: bool = True) -> None:
        """The partition number is given up."""
        self.outbox.end(0, settled=settled)

    def due(self) -> Shown:
        """What is to be shown, from what is durable."""
        return drawn(Painter(Rules(), QUICK), self.run.states)

    def there(self, client: "Redis") -> Shown:
        """What is shown."""
        return timeless(shown_in(client, self.prefix))
