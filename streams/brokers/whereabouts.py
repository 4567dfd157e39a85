"""Where the brokers are. A client that has connected once knows only those that it was told of then."""

from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError

Places = frozenset[tuple[str, int]]
"""Host and port of each broker."""


def known(cluster: ClusterMetadata) -> Places:
    """Those of which a client knows."""
    return frozenset((broker.host, broker.port) for broker in cluster.brokers())


async def found(options: dict[str, Any]) -> Places:
    """Those that a new client with these options is told of at `bootstrap_servers`; none when nobody answers."""
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
    except KafkaError:
        return frozenset()
    else:
        return known(client.cluster)
    finally:
        await client.close()
