"""The thread that writes views: whatever happens to Redis, it alone waits."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from agents.portrait import Painter, Portrait
from agents.rulebook.rules import Rules
from streams.delivery.ports import Learning
from streams.settings import Settings
from streams.views.keeper import Keeper
from streams.views.outbox import Outbox
from streams.views.render import Renderer
from streams.views.store import ViewStore
from streams.views.trouble import ViewError
from streams.watch.viewmetrics import Reason, ViewMetrics
from tables.customer import Customer

log = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds between two rounds: what changes meanwhile is written once."""
LONGEST_PAUSE = 10.0
"""Between two attempts while Redis does not take views."""
STOP_SECONDS = 1.0
"""How long the end of a worker waits for views to be written."""


class ViewThread:
    """Does rounds until it is stopped."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="views", daemon=True)
        self._told: Reason | None = None
        """Why Redis did not take views the last time."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do a last round, if there is time for it. What is not shown by then is found by the next owner."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        pause = PAUSE
        while not self._stop.wait(pause):
            pause = PAUSE if self.once() else min(2 * pause, LONGEST_PAUSE)
        self.once()
        self._keeper.close()

    def once(self) -> bool:
        """A round, of which the log and the metrics hear when it fails; whether it did not."""
        try:
            self._keeper.round()
        except ViewError as exc:
            self._failed(exc.reason)
            if self._told != exc.reason:
                log.warning("views: Redis %s; triggers go on, views follow when it takes them", exc)
            self._told = exc.reason
            return False
        except Exception:  # a view must not end the worker, and what cannot be drawn is not tried for ever
            self._failed("other")
            if self._told != "other":
                log.exception("views: an error in Offbeat; please report it")
            self._told = "other"
            return False
        if self._told is not None:
            log.warning("views: Redis takes them again")
            self._told = None
        return True

    def _failed(self, reason: Reason) -> None:
        self._keeper.outbox.flowing = False
        self._keeper.metrics.failures.labels(reason).inc()


class _Current:
    """Draws by the parameters that are in force when it is asked."""

    def __init__(self, rules: Rules, learning: Learning) -> None:
        self._rules, self._learning, self._of = rules, learning, learning.parameters
        self._painter = Painter(rules, self._of)

    def portraits(self, customers: Sequence[tuple[str, Customer]], now: int) -> list[Portrait]:
        parameters = self._learning.parameters
        if parameters is not self._of:
            self._of, self._painter = parameters, Painter(self._rules, parameters)
        return self._painter.portraits(customers, now)


@contextmanager
def shown(settings: Settings, rules: Rules, learning: Learning, metrics: ViewMetrics) -> Iterator[Outbox]:
    """Where to leave what is durable; while the context lasts it is shown in Redis, by the parameters in force."""
    outbox = Outbox(metrics)
    renderer = Renderer(_Current(rules, learning))
    keeper = Keeper(ViewStore(settings), renderer, outbox, metrics, name=uuid4().hex, refresh=settings.views.refresh)
    thread = ViewThread(keeper)
    thread.start()
    try:
        yield outbox
    finally:
        thread.stop()
