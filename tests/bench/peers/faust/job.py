"""The job on stock faust-streaming: one agent, a table in memory with a changelog topic, uvloop and orjson."""

import os
from typing import Any

import faust
import mode.loop

from tests.bench.peers.fold import fold, fresh
from tests.bench.peers.tally import Tally

mode.loop.use("uvloop")
environ = os.environ
partitions = int(environ["PEER_PARTITIONS"])
app = faust.App(
    environ["PEER_NAME"],
    broker=f"kafka://{environ['PEER_BROKERS']}",
    store="memory://",
    datadir=environ["PEER_FOLDER"],
    processing_guarantee=environ["PEER_GUARANTEE"],
    topic_partitions=partitions,
    topic_replication_factor=1,
    producer_linger=0.005,  # seconds; the default of 0 makes a batch of each record
    web_enabled=False,
)
source = app.topic(*environ["PEER_TOPICS"].split(","), partitions=partitions, key_type=str, value_serializer="json")
triggers = app.topic(environ["PEER_OUTPUT"], partitions=partitions, key_type=str, value_serializer="json")
customers = app.Table("customers", key_type=str, partitions=partitions)
tally = Tally(int(environ["PEER_EVENTS"]))


async def decide(stream: Any) -> None:
    """Fold each event into its customer's state; send what calls for a trigger."""
    async for key, event in stream.items():
        known = customers.get(key)
        state = known or fresh()
        trigger = fold(state, event)
        customers[key] = state
        if trigger is not None:
            await triggers.send(key=key, value=trigger)
        tally.count(new=known is None, fired=trigger is not None)


app.agent(source)(decide)

if __name__ == "__main__":
    faust.Worker(app, loglevel="WARN").execute_from_commandline()
