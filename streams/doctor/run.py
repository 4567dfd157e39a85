"""`doctor`: one look after the other, in the order in which things depend on each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from aiokafka.errors import KafkaError as AsyncError
from kafka.errors import KafkaError

from streams.brokers.refusals import refusal
from streams.brokers.topics import BrokerError
from streams.doctor import group, here, progress, reach, topics, traffic, transactions, views, worker
from streams.doctor.check import Check, Finding, split, well, wrong
from streams.doctor.patient import Patient
from streams.doctor.port import metrics_port
from streams.settings import Settings

Look = Callable[[Patient], Finding]
AT_BROKERS: Mapping[str, Look] = {
    "advertised addresses": reach.advertised,
    "topics": topics.topics,
    "rights": topics.rights,
    "transactions": transactions.transactions,
    "open transactions": transactions.open_transactions,
}
AT_TOPICS: Mapping[str, Look] = {
    "clock": transactions.clock,
    "replicas": topics.replicas,
    "session timeout": topics.session_timeout,
    "states": progress.states,
    "positions": progress.positions,
    "workers": group.workers,
    "lag": progress.lag,
    "retention": progress.retention,
    "dead letters": traffic.dead_letters,
    "events": traffic.events,
    "triggers": traffic.triggers,
}
"""When the topics are there."""
TRUSTED = ("session timeout", "positions", "workers", "lag", "retention", "dead letters", "events", "triggers")
"""What brokers without transactions answer wrongly."""
LED = ("open transactions", "states", *TRUSTED[1:])
"""What takes minutes to fail where a partition has no leader, and does not say why."""
HERE: Mapping[str, Look] = {
    "state directory": here.state_directory,
    "redis": views.redis,
    "rules": here.rules,
    "parameters": here.parameters,
}


def checkup(settings: Settings, workers: Sequence[str] = ()) -> Iterator[Check]:
    """Every check, one after the other; those that need brokers are left out when there are none.

    :param workers: host:port of the metrics ports of workers that must answer, besides the one of the settings
    """
    patient = Patient(settings)
    answered = False
    for check in reach.brokers(settings):
        answered = answered or check.ok
        yield check
    if answered:
        yield from _at_brokers(patient)
    for name, look in HERE.items():
        yield Check(name, *look(patient))
    found, address = metrics_port(settings)
    yield Check("metrics port", *found)
    yield from worker.workers([*dict.fromkeys((*([address] if address else []), *workers))])


def _at_brokers(patient: Patient) -> Iterator[Check]:
    found = {}
    for name, look in AT_BROKERS.items():
        found[name] = Check(name, *_asked(_led(name, look), patient))
        yield found[name]
    for name, look in AT_TOPICS.items():
        if not found["topics"].ok:
            yield Check(name, True, "not looked at: topics come first")
        elif name in TRUSTED and patient.no_transactions is not None:
            yield Check(name, True, "not looked at: brokers without transactions do not tell reliably")
        else:
            yield Check(name, *_asked(_led(name, look), patient))


def _led(name: str, look: Look) -> Look:
    """The same look, but not in vain."""

    def looked(patient: Patient) -> Finding:
        if name in LED and patient.headless:
            return well("not looked at: a partition without a leader comes first")
        return look(patient)

    return looked


def _asked(look: Look, patient: Patient) -> Finding:
    """The brokers may go away, or refuse, while they are asked."""
    try:
        return look(patient)
    except BrokerError as error:
        return wrong(str(error), "try again; read the broker's log when it stays so")
    except (KafkaError, AsyncError, OSError, TimeoutError) as error:
        if (refused := refusal(error, patient.settings)) is not None:
            return split(refused[1])
        what = " ".join(str(error).split())[:200] or type(error).__name__
        return wrong(f"the brokers could not be asked: {what}", "try again; read the broker's log when it stays so")
