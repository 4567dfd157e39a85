"""The topics the engine needs: making them, and telling how those that are there differ from what it needs."""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, KafkaTimeoutError

from streams.access.tokens import TokenError
from streams.brokers.refusals import refused
from streams.brokers.topicfacts import TRANSACTION_STATE, Cluster, Difference, Found, Topic, every
from streams.brokers.topicplan import compare, wanted
from streams.settingkinds import split_address
from streams.settings import Settings

_EXISTS, _NOT_ALLOWED = 36, 29
"""Kafka's codes for a topic that is there already, and for one that is none of our business."""


class BrokerError(RuntimeError):
    """The brokers do not answer, or refuse; one line. Mend their address or the brokers, then try again."""


class RefusedError(BrokerError):
    """They refuse us for good: one line that says how to mend it, and the exit status (`streams.brokers.refusals`)."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@contextmanager
def admin(settings: Settings, brokers: list[str] | None = None, seconds: float = 5.0) -> Iterator[Any]:
    """A client for administration; whatever it raises, also later in the block, comes out as BrokerError.

    RefusedError, which is one, when they do not let us in; SettingsError when a file that the connection needs cannot
    be used. Not to be called where an event loop runs.
    """
    options = settings.client_options(blocking=True)
    named = brokers or settings.broker_list
    if (found := asyncio.run(refused(settings, named))) is not None:
        raise RefusedError(*found)
    _have_token(options)
    addresses = _answering(named, options.get("ssl_context"))
    where = ",".join(addresses)
    options |= {"bootstrap_servers": addresses, "client_id": "offbeat-admin"}
    try:
        client = KafkaAdminClient(**options, bootstrap_timeout_ms=int(seconds * 1000), request_timeout_ms=20_000)
    except KafkaTimeoutError:
        protocol = settings.security.protocol
        raise BrokerError(
            f"what listens at {where} does not answer as a Kafka broker with {protocol}; "
            "check protocol, mechanism, user and password in OFFBEAT_SECURITY_*"
        ) from None
    except (KafkaError, OSError, RuntimeError, ValueError) as error:
        raise BrokerError(f"the broker at {where} refused: {_cause(error)}; check OFFBEAT_SECURITY_*") from None
    try:
        yield client
    except (KafkaError, OSError) as error:
        raise BrokerError(f"the broker at {where} refused: {_cause(error)}; read the broker's log") from None
    finally:
        client.close()


def _have_token(options: Mapping[str, Any]) -> None:
    """Where a token is needed there is one; else BrokerError: the client would only say that nobody answers."""
    provider = options.get("sasl_oauth_token_provider")
    if provider is not None:
        try:
            provider.token()
        except TokenError as error:
            raise BrokerError(str(error)) from None


def _answering(addresses: list[str], context: ssl.SSLContext | None) -> list[str]:
    """The addresses that can be connected to; BrokerError when there is none.

    The client would wait for a TLS handshake forever when the other side knows no TLS.
    """
    causes = {address: unreachable(*split_address(address), context) for address in addresses}
    found = [address for address, cause in causes.items() if cause is None]
    if found:
        return found
    why = "; ".join(dict.fromkeys(cause for cause in causes.values() if cause))
    where = ",".join(addresses)
    if context is not None:
        raise BrokerError(f"no broker with TLS at {where} ({why}); check OFFBEAT_BROKERS and OFFBEAT_SECURITY_*")
    raise BrokerError(f"no broker at {where} ({why}); start it, or set OFFBEAT_BROKERS (or --brokers) to yours")


def unreachable(host: str, port: int, context: ssl.SSLContext | None = None, seconds: float = 3.0) -> str | None:
    """Why no connection can be made to that place, with TLS when there is a context; None when it can."""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            if context is not None:
                context.wrap_socket(connection, server_hostname=host).close()
    except TimeoutError:
        return "no answer"
    except (OSError, UnicodeError) as error:  # a name that cannot be one
        return str(getattr(error, "verify_message", None) or getattr(error, "strerror", None) or "not a host name")
    return None


def _cause(error: BaseException) -> str:
    """An error of the client in one line, with the name of its kind where it says nothing itself."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (text if text.startswith(name) else f"{name}: {text}")[:200] if text else name


def look(settings: Settings) -> Cluster:
    """What is there. Asks for all topics, since a broker may make one that is asked for by name. BrokerError."""
    with admin(settings) as client:
        return _look(client, settings)


def _look(client: Any, settings: Settings) -> Cluster:
    ours = {*every(settings), TRANSACTION_STATE}
    there = {t["name"]: t for t in client.describe_topics() if t["name"] in ours and not t["error_code"]}
    configs = _configs(client, sorted(there))
    found = {
        name: Found(
            partitions=len(told["partitions"]),
            replication=min((len(p["replica_nodes"]) for p in told["partitions"]), default=0),
            configs=configs.get(name, {}),
            id=_id(told),
        )
        for name, told in there.items()
    }
    transactions = found.pop(TRANSACTION_STATE, None)
    missing = [name for name in every(settings) if name not in found]
    return Cluster(len(members(client)), found, _hidden(client, settings, missing), transactions)


def _hidden(client: Any, settings: Settings, missing: list[str]) -> frozenset[str]:
    """Those that we may not see; asked for by name, which only brokers that know who asks are."""
    if not missing or settings.security.protocol == "PLAINTEXT":
        return frozenset()
    return frozenset(t["name"] for t in client.describe_topics(missing) if t["error_code"] == _NOT_ALLOWED)


def members(client: Any) -> list[tuple[str, int]]:
    """Host and port of every broker of the cluster, as the first one has told; none of them is asked."""
    return [(broker.host, broker.port) for broker in client._manager.cluster.brokers()]  # noqa: SLF001 - told to nobody


def _id(told: Mapping[str, Any]) -> str:
    """Kafka before 2.8 gives topics no id, or that of zeros."""
    found = str(told.get("topic_id") or "")
    return found if found.strip("0-") else ""


def _configs(client: Any, names: list[str]) -> dict[str, dict[str, str]]:
    """The settings of topics; empty when the brokers do not tell them."""
    if not names:
        return {}
    try:
        told = client.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in names], config_filter="all"
        )
    except (KafkaError, OSError):
        return {}
    return {
        name: {key: str(entry["value"]) for key, entry in entries.items() if entry["value"] is not None}
        for name, entries in told.get("topic", {}).items()
    }


def create(settings: Settings) -> tuple[list[Topic], list[Difference]]:
    """Make the topics that are missing; those made, and how the others differ from what is needed. BrokerError."""
    with admin(settings) as client:
        cluster = _look(client, settings)
        missing = [topic for topic in wanted(settings, cluster) if topic.name not in cluster.found]
        made = _make(client, missing)
        return made, compare(settings, _look(client, settings) if made else cluster)


def _make(client: Any, topics: list[Topic]) -> list[Topic]:
    """Make them and wait until they can be used; those that somebody else made meanwhile are left out."""
    if not topics:
        return []
    orders = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication,
            "configs": dict(topic.configs),
        }
        for topic in topics
    }
    answer = {t["name"]: t for t in client.create_topics(orders, raise_errors=False)["topics"]}
    failed = [name for name in orders if answer.get(name, {}).get("error_code", -1) not in (0, _EXISTS)]
    if failed:
        told = answer.get(failed[0], {})
        why = told.get("error_message") or f"error {told.get('error_code', 'unknown')}"
        raise BrokerError(f"topic {failed[0]} could not be made: {' '.join(str(why).split())[:200]}")
    client.wait_for_topics(list(orders))
    return [topic for topic in topics if answer[topic.name]["error_code"] == 0]


def check(settings: Settings) -> list[Difference]:
    """How the topics differ from what is needed; nothing is made or changed. BrokerError."""
    return compare(settings, look(settings))
