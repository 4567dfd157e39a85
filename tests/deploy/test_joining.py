"""A reader whose topic was not known yet when it joined: it joins again, whenever `poll` comes back meanwhile."""

import secrets
import time

import pytest

from joining import joining_consumer
from tests.support.brokers import ApacheKafka
from tests.support.topics import make_topics

MOST = 30.0


@pytest.mark.parametrize("wait_ms", [1, 3, 5, 10])
def test_a_join_under_way_is_not_forgotten(apache_kafka: ApacheKafka, wait_ms: int) -> None:
    """kafka-python by itself is left without partitions in most such tries."""
    topic = f"joining-{secrets.token_hex(4)}"
    make_topics(apache_kafka.address, [topic], 3)
    reader = joining_consumer(bootstrap_servers=apache_kafka.address, group_id=topic, session_timeout_ms=6000)
    try:
        reader.subscribe([topic])
        deadline = time.monotonic() + MOST
        while len(reader.assignment()) < 3:
            assert time.monotonic() < deadline, f"only {reader.assignment()}"
            reader.poll(timeout_ms=wait_ms)
    finally:
        reader.close()
