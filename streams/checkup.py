"""The checks of `doctor`: each looks at one thing around the worker, changes nothing and says what to do."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.rules import RulesError, load_rules
from streams.brokers.stuck import stuck_transactions
from streams.brokers.topics import BrokerError, admin, check, members, unreachable
from streams.brokers.transactions import clock, transactions
from streams.settingkinds import split_address
from streams.settings import Settings, SettingsError
from streams.views.store import ADVICE, ViewError, ViewStore
from tables.parameters import ParametersError, load_parameters


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. What could not be known is `ok` and says so in `detail`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def checkup(settings: Settings) -> Iterator[Check]:
    """Every check, one after the other; those that need brokers are left out when there are none."""
    answered = False
    for check_ in _brokers(settings):
        answered = answered or check_.ok
        yield check_
    if answered:
        yield _advertised(settings)
        topics = _topics(settings)
        yield topics
        yield _transactions(settings)
        yield _stuck(settings)
        yield (
            _clock(settings) if topics.ok else Check("clock", True, "not compared with the brokers': topics come first")
        )
    for look in (_state_directory, _redis, _rules, _parameters, _metrics):
        yield look(settings)


def _brokers(settings: Settings) -> Iterator[Check]:
    """Each broker of the setting by itself: clients go on with one of them, and nobody misses the others."""
    for address in settings.broker_list:
        name = f"broker {address}"
        try:
            with admin(settings, [address]) as client:
                brokers = len(members(client))
        except (BrokerError, SettingsError) as error:
            what, _, advice = str(error).partition("; ")
            yield Check(name, False, what, advice)
        else:
            yield Check(name, True, f"answers; {brokers} in its cluster")


def _with_brokers(name: str, look: Callable[[Settings], Check]) -> Callable[[Settings], Check]:
    """A check whose brokers may go away while it looks."""

    def guarded(settings: Settings) -> Check:
        try:
            return look(settings)
        except BrokerError as error:
            return Check(name, False, str(error), "try again; read the broker's log when it stays so")

    return guarded


def _look_advertised(settings: Settings) -> Check:
    """The addresses that the brokers tell clients to use: often not reachable from where the worker runs."""
    with admin(settings) as client:
        told = members(client)
    context = settings.security.ssl_context()
    causes = {f"{host}:{port}": unreachable(host, port, context) for host, port in told}
    if gone := [f"{place} ({why})" for place, why in causes.items() if why is not None]:
        what = f"the cluster names {', '.join(gone)}, which cannot be reached from here"
        return Check("advertised addresses", False, what, "mend advertised.listeners of the brokers, or the network")
    return Check("advertised addresses", True, f"{', '.join(f'{host}:{port}' for host, port in told)} can be reached")


def _look_topics(settings: Settings) -> Check:
    found = check(settings)
    must = [d for d in found if d.must]
    if not must:
        notes = "".join(f"; note: {d.topic} {d.what}" for d in found)
        return Check("topics", True, f"all there, partitions equal{notes}")
    advice = "; ".join(dict.fromkeys(d.advice for d in must))
    alike = {d.what: [e.topic for e in must if e.what == d.what] for d in must}
    return Check("topics", False, "; ".join(f"{', '.join(names)} {what}" for what, names in alike.items()), advice)


def _look_transactions(settings: Settings) -> Check:
    what = transactions(settings)
    if what is None:
        return Check("transactions", True, "supported: a producer id was given")
    if settings.delivery == "at_least_once":
        return Check("transactions", True, f"not supported ({what}), and not needed with at_least_once")
    advice = "set OFFBEAT_DELIVERY=at_least_once, or use brokers with transactions (Apache Kafka)"
    return Check("transactions", False, f"not supported: {what}", advice)


def _look_stuck(settings: Settings) -> Check:
    """What readers of committed records do not get to see."""
    name = "open transactions"
    if settings.delivery == "at_least_once":
        return Check(name, True, "not looked for: there are none with at_least_once")
    found = stuck_transactions(settings)
    if not found:
        return Check(name, True, "none is older than 15 minutes")
    places = ", ".join(f"{topic}[{partition}] at offset {offset}" for topic, partition, offset in found)
    topic, partition, offset = found[0]
    return Check(
        name,
        False,
        f"older than 15 minutes: {places}; nothing that follows is read",
        f"stop whoever writes there; or run: kafka-transactions.sh --bootstrap-server {settings.brokers} abort "
        f"--topic {topic} --partition {partition} --start-offset {offset}",
    )


def _look_clock(settings: Settings) -> Check:
    """Fires early or late by as much as the clock is wrong; Kafka refuses records of more than an hour ahead."""
    off, why = clock(settings)
    if off is None:
        return Check("clock", True, f"not compared with the brokers': {why}")
    if abs(off) <= 60:
        return Check("clock", True, f"differs from the broker's by less than {max(1, round(abs(off)))} s ({why})")
    side = "ahead of" if off > 0 else "behind"
    return Check("clock", False, f"{abs(off):.0f} s {side} the broker's", "let NTP set the clocks of both machines")


_advertised = _with_brokers("advertised addresses", _look_advertised)
_topics = _with_brokers("topics", _look_topics)
_transactions = _with_brokers("transactions", _look_transactions)
_stuck = _with_brokers("open transactions", _look_stuck)
_clock = _with_brokers("clock", _look_clock)


def _state_directory(settings: Settings) -> Check:
    name, folder = "state directory", settings.state_dir
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    advice = "make it writable for this user, or set OFFBEAT_STATE_DIR to a directory that is"
    if not there.is_dir():
        return Check(name, False, f"{there} is not a directory", advice)
    if there != folder:
        if os.access(there, os.W_OK | os.X_OK):
            return Check(name, True, f"{folder} will be made")
        return Check(name, False, f"{folder} is missing and {there} is not writable", advice)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"offbeat")
            file.flush()
    except OSError as error:
        return Check(name, False, f"{folder} cannot be written to: {error.strerror}", advice)
    return Check(name, True, f"{folder} is writable")


def _redis(settings: Settings) -> Check:
    if not settings.redis:
        return Check("redis", True, "off: no URL is set")
    store = ViewStore(settings)
    try:
        what = store.try_out()
    except ViewError as error:
        return Check("redis", False, str(error), ADVICE[error.reason])
    finally:
        store.close()
    return Check("redis", True, f"takes views: {what}")


def _rules(settings: Settings) -> Check:
    if settings.rules is None:
        return Check("rules", True, "the defaults: no file is set")
    try:
        warnings = load_rules(settings.rules).warnings()
    except RulesError as error:
        return Check("rules", False, str(error), "mend that line; offbeat rules check FILE tells the next one")
    return Check("rules", True, f"{settings.rules} is valid" + "".join(f"; note: {warning}" for warning in warnings))


def _parameters(settings: Settings) -> Check:
    if settings.parameters is None or str(settings.parameters) == "builtin":
        return Check("parameters", True, "the built-in ones: no file is set")
    try:
        load_parameters(settings.parameters)
    except ParametersError as error:
        return Check("parameters", False, str(error), "mend the file, or set OFFBEAT_PARAMETERS to another")
    return Check("parameters", True, f"{settings.parameters} is valid")


def _metrics(settings: Settings) -> Check:
    if not settings.metrics:
        return Check("metrics port", True, "off: no address is set")
    host, port = split_address(settings.metrics)
    try:
        kind, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "not a host name"
        advice = "a worker may be running there already; else set OFFBEAT_METRICS to a free host:port"
        return Check("metrics port", False, f"{settings.metrics} cannot be bound: {why}", advice)
    return Check("metrics port", True, f"{settings.metrics} is free")
