"""What of Faust's consumer must not act by itself."""

import asyncio

from streams.group.transport import Consumer


def test_nobody_asks_a_consumer_for_its_partitions_that_is_not_connected_yet() -> None:
    consumer = Consumer.__new__(Consumer)  # it has no thread yet, as while the brokers are away
    asyncio.run(consumer.verify_all_partitions_active())
