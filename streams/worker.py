"""Running a worker: wait for the brokers, check the topics, start, say when it is ready, stop when told."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from types import FrameType
from typing import NoReturn

import faust

from agents.rules import Rules, load_rules
from streams import __version__
from streams.app import build_app
from streams.clock import WallClock
from streams.errors import StopError
from streams.metrics import Metrics
from streams.metricserver import serve_metrics
from streams.settings import Settings
from streams.status import Status
from streams.topicplan import Cluster, compare
from streams.topics import BrokerError, look
from tables.parameters import BUILTIN, Parameters, load_parameters

log = logging.getLogger(__name__)

READY = "offbeat worker ready"
_WAIT_SECONDS = 2.0
_STOP_SECONDS = 20.0


class TopicsError(StopError):
    """The topics are not as the worker needs them; one line that says how to mend it."""


def run_worker(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the exit status. Raises RulesError, ParametersError, SettingsError, TopicsError."""
    _set_up_logging(settings.log_level)
    rules = load_rules(settings.rules) if settings.rules else Rules()
    parameters = parameters_of(settings)
    for warning in rules.warnings():
        log.warning("%s", warning)
    previous = signal.signal(signal.SIGTERM, _leave)
    cluster = wait_for_brokers(settings)
    signal.signal(signal.SIGTERM, previous)
    check_topics(settings, cluster)
    return asyncio.run(_serve(settings, rules, parameters, cluster))


def parameters_of(settings: Settings) -> Parameters:
    """The population parameters that the settings name. Raises ParametersError."""
    if settings.parameters is None or str(settings.parameters) == "builtin":
        return BUILTIN
    return load_parameters(settings.parameters)


def wait_for_brokers(settings: Settings) -> Cluster:
    """What is there, as soon as a broker answers."""
    said = ""
    while True:
        try:
            return look(settings)
        except BrokerError as exc:
            if str(exc) != said:
                said = str(exc)
                log.warning("waiting: %s", said)
            time.sleep(_WAIT_SECONDS)


def check_topics(settings: Settings, cluster: Cluster) -> None:
    """Raises `TopicsError` when the worker cannot do with the topics as they are."""
    musts = []
    for difference in compare(settings, cluster):
        if difference.must:
            musts.append(difference)
        else:
            log.warning("topic %s %s; %s", difference.topic, difference.what, difference.advice)
    if musts:
        first = musts[0]
        more = f" (and {len(musts) - 1} more: offbeat topics check)" if len(musts) > 1 else ""
        raise TopicsError(f"topic {first.topic} {first.what}{more}; {first.advice}")


async def _serve(settings: Settings, rules: Rules, parameters: Parameters, cluster: Cluster) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics, status = Metrics(), Status()
    metrics.info.labels(__version__, settings.delivery).set(1)
    with ExitStack() as stack:
        if settings.metrics:
            stack.enter_context(serve_metrics(settings.metrics, metrics.registry, status))
        app = build_app(
            settings,
            rules,
            parameters,
            partitions={name: found.partitions for name, found in cluster.found.items()},
            metrics=metrics,
            clock=WallClock(),
            fatal=_fatal,
            on_live=lambda numbers: _live(status, numbers),
        )
        _keep_garbage_collector_away()
        crashed = await _run(app, stop, status)
    if crashed is not None:
        _fatal(70, f"the worker crashed: {type(crashed).__name__}: {crashed}")
    log.info("stopped")
    return 0


async def _run(app: faust.App, stop: asyncio.Event, status: Status) -> BaseException | None:
    """Start the app, and stop it when told; what it crashed of, if it did."""
    app.finalize()
    app.in_worker = True
    await app.start()
    beat = asyncio.create_task(_beat(status))
    ends = [asyncio.create_task(stop.wait()), asyncio.create_task(app.wait_until_stopped())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    status.stopping()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await app.stop()
    except TimeoutError:
        _fatal(1, f"could not stop within {_STOP_SECONDS:.0f} s; what was not durable comes again after the next start")
    for task in (beat, *ends):
        task.cancel()
    await asyncio.gather(beat, *ends, return_exceptions=True)
    crash: BaseException | None = app.crash_reason
    return crash


async def _beat(status: Status) -> None:
    """Shows that the event loop turns."""
    while True:
        status.beat()
        await asyncio.sleep(0.5)


def _live(status: Status, numbers: set[int]) -> None:
    if status.live(numbers):
        print(READY, flush=True)
    log.info("taking care of partitions %s", sorted(numbers) or "none: there are more workers than partitions")


def _keep_garbage_collector_away() -> None:
    """States are bytes and events hold no cycles: there is little to find, and looking costs half of the throughput."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _fatal(code: int, message: str) -> NoReturn:
    """End the process at once: nothing more may be sent, and whatever is left behind a crash would leave too."""
    print(f"offbeat: {message}", file=sys.stderr, flush=True)
    logging.shutdown()
    os._exit(code)


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _set_up_logging(level: str) -> None:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    for name in ("streams", "agents", "tables"):
        logging.getLogger(name).setLevel(level.upper())
    # what subclasses Faust's services logs each of their steps under its own name
    for name in ("kafka", "aiokafka", "faust", "mode", "streams.transport", "streams.recovery"):
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.ERROR)
