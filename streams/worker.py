"""Running a worker: wait for the brokers, check the topics, start, say when it is ready, stop when told."""

import asyncio
import logging
import os
import socket
import threading
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from agents.rulebook.rules import Rules, rules_named
from streams import __version__
from streams.brokers.topicfacts import Cluster
from streams.clock import WallClock
from streams.delivery.ports import Fixed, Learning, NoViews, Views
from streams.ending import Ending
from streams.memory import take_care_of_memory
from streams.refit.thread import RefitThread, learning
from streams.settings import Settings
from streams.startup import check_topics, wait_for_brokers
from streams.stopping import StopSignal
from streams.watch.journal import hush, set_up_logging
from streams.watch.metrics import Metrics
from streams.watch.metricserver import serve_metrics
from streams.watch.status import Status
from tables.parameters import Parameters, parameters_named

log = logging.getLogger(__name__)

READY = "offbeat worker ready"
_STOP_SECONDS = 9.0
_STOP_SECONDS_IDLE = 2.0
"""Without partitions, or without brokers, there is nothing to end in order."""


def run_worker(settings: Settings, stop: StopSignal) -> int:
    """Run until told to stop; the exit status.

    Raises RulesError, ParametersError, SettingsError, TopicsError, RefusedError.
    """
    set_up_logging(settings.log_level, settings.log_format)
    rules = rules_named(settings.rules)
    parameters = parameters_named(settings.parameters)
    for warning in rules.warnings():
        log.warning("%s", warning)
    status = asyncio.run(_serve(settings, rules, parameters, stop))
    stop.deafen()
    return status


async def _serve(settings: Settings, rules: Rules, parameters: Parameters, stop: StopSignal) -> int:
    metrics, status, ending = Metrics(), Status(), Ending(settings)
    metrics.info.labels(__version__, settings.delivery).set(1)
    metrics.ready.set_function(lambda: status.ready)
    metrics.loop_still.set_function(lambda: status.loop_still_seconds)
    with ExitStack() as stack:
        if settings.metrics:
            stack.enter_context(serve_metrics(settings.metrics, metrics.registry, status))
        beat = asyncio.create_task(_beat(status))
        stack.callback(beat.cancel)
        status.phase = "waiting for brokers"
        cluster = await stop.unless(wait_for_brokers(settings))
        if cluster is not None:
            check_topics(settings, cluster)
            status.phase = "joining"
            thread = _learning(settings, parameters, cluster, metrics)
            known = Fixed(parameters) if thread is None else await stop.unless(stack.enter_context(thread).known())
            if known is not None:
                status.parameters = lambda: known.parameters.version
                views = stack.enter_context(_views(settings, rules, known, metrics))
                ending.app = app = _build(settings, rules, cluster, metrics, status, ending, views, known)
                take_care_of_memory()
                crashed = await _run(app, stop, status, ending)
                if crashed is not None:
                    ending.fatal(70, f"the worker crashed: {type(crashed).__name__}: {crashed}")
    log.info("stopped")
    return 0


def _build(
    settings: Settings,
    rules: Rules,
    cluster: Cluster,
    metrics: Metrics,
    status: Status,
    ending: Ending,
    views: Views,
    learning: Learning,
) -> Any:
    from streams.app import build_app  # noqa: PLC0415 - Faust takes a second, in which the endpoints answer already

    return build_app(
        settings,
        rules,
        topics=cluster.found,
        metrics=metrics,
        status=status,
        clock=WallClock(),
        fatal=ending.fatal,
        on_live=lambda numbers: _live(status, numbers),
        views=views,
        learning=learning,
    )


def _learning(
    settings: Settings, parameters: Parameters, cluster: Cluster, metrics: Metrics
) -> AbstractContextManager[RefitThread] | None:
    """Who follows what is published; None: the parameters stay what they are."""
    if not settings.follows:
        metrics.refit.in_force(parameters)
        return None
    partitions = cluster.found[settings.sources[0]].partitions
    by = f"worker {socket.gethostname()}:{os.getpid()}"
    return learning(settings, parameters, partitions, by, metrics.refit)


def _views(settings: Settings, rules: Rules, learning: Learning, metrics: Metrics) -> AbstractContextManager[Views]:
    if not settings.redis:
        return nullcontext(NoViews())
    from streams.views.thread import shown  # noqa: PLC0415 - few need Redis

    return shown(settings, rules, learning, metrics.views)


async def _run(app: Any, stop: StopSignal, status: Status, ending: Ending) -> BaseException | None:
    """Start the app, and stop it when told; what it crashed of, if it did."""
    app.finalize()
    app.in_worker = True
    starting = asyncio.create_task(app.start())
    told = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(_ended(app, starting))
    await asyncio.wait((told, ended), return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    _leave_in_time(app, ending, holds=status.phase == "live")
    status.phase = "stopping"
    hush()
    await app.stop()
    for task in (starting, told, ended):
        task.cancel()
    results = await asyncio.gather(starting, told, ended, return_exceptions=True)
    crash: BaseException | None = app.crash_reason
    if crash is None and isinstance(results[0], Exception):
        crash = results[0]
    return crash


async def _ended(app: Any, starting: "asyncio.Task[None]") -> None:
    """Return when the app could not start, or has stopped by itself."""
    await asyncio.wait((starting,))
    if starting.exception() is None:
        await app.wait_until_stopped()


def _leave_in_time(app: Any, ending: Ending, *, holds: bool) -> None:
    """Ends the process when stopping takes too long. In a thread: whatever holds stopping up may hold the loop up.

    `holds`: the worker has had its partitions, so that a batch may be on its way.
    """

    def leave() -> None:
        if not holds or app.consumer.thread.away:
            log.warning("stopped without leaving the group: it notices after session_timeout")
            ending.exit(0)

    def give_up() -> None:
        leave()
        ending.fatal(
            1, f"could not stop within {_STOP_SECONDS:.0f} s; what was not durable comes again at the next start"
        )

    for seconds, what in ((_STOP_SECONDS_IDLE, leave), (_STOP_SECONDS, give_up)):
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        timer.start()


async def _beat(status: Status) -> None:
    """Shows that the event loop turns."""
    while True:
        status.beat()
        await asyncio.sleep(0.5)


def _live(status: Status, numbers: set[int]) -> None:
    if status.live():
        print(READY, flush=True)
    log.info("taking care of partitions %s", sorted(numbers) or "none: there are more workers than partitions")
