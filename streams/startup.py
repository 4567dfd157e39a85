"""What a worker looks at before it starts: brokers, for which it waits, and topics, which must be as it needs them."""

import asyncio
import logging
import threading

from streams.brokers.topicfacts import Cluster
from streams.brokers.topicplan import compare
from streams.brokers.topics import BrokerError, RefusedError, look
from streams.errors import StopError
from streams.settings import Settings

log = logging.getLogger(__name__)

_WAIT_SECONDS = 1.0


class TopicsError(StopError):
    """The topics are not as the worker needs them; one line that says how to mend it."""


async def wait_for_brokers(settings: Settings) -> Cluster:
    """What is there, as soon as a broker answers; says once what it waits for. Raises RefusedError, SettingsError."""
    said = ""
    while True:
        try:
            cluster = await _look(settings)
        except RefusedError:
            raise
        except BrokerError as exc:
            if str(exc) != said:
                said = str(exc)
                log.warning("waiting: %s", said)
            await asyncio.sleep(_WAIT_SECONDS)
        else:
            if said:
                log.warning("a broker answers: going on")
            return cluster


async def _look(settings: Settings) -> Cluster:
    """`look`, in a thread that the process need not wait for when it is told to stop meanwhile."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Cluster] = loop.create_future()

    def tell(cluster: Cluster | None, exc: Exception | None) -> None:
        if found.cancelled():
            return
        if cluster is not None:
            found.set_result(cluster)
        elif exc is not None:
            found.set_exception(exc)

    def run() -> None:
        cluster: Cluster | None = None
        error: Exception | None = None
        try:
            cluster = look(settings)
        except Exception as exc:  # noqa: BLE001 - whoever waits gets it
            error = exc
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, cluster, error)

    threading.Thread(target=run, name="look", daemon=True).start()
    return await found


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
