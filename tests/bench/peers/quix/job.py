"""The job on Quix Streams: two topics put together, state in RocksDB with a changelog topic."""

import os
from typing import Any

from quixstreams import Application, State

from tests.bench.peers.fold import fold, fresh
from tests.bench.peers.tally import Tally

environ = os.environ
app = Application(
    broker_address=environ["PEER_BROKERS"],
    consumer_group=environ["PEER_NAME"],
    auto_offset_reset="earliest",
    processing_guarantee=environ["PEER_GUARANTEE"],
    state_dir=environ["PEER_FOLDER"],
    loglevel="WARNING",
)
tally = Tally(int(environ["PEER_EVENTS"]))


def decide(event: dict[str, Any], store: State) -> dict[str, Any] | None:
    """Fold the event into its customer's state; a trigger or None."""
    known = store.get("customer")
    state = known or fresh()
    trigger = fold(state, event)
    store.set("customer", state)
    tally.count(new=known is None, fired=trigger is not None)
    return trigger


purchases, carts = (app.topic(name, value_deserializer="json") for name in environ["PEER_TOPICS"].split(","))
triggers = app.topic(environ["PEER_OUTPUT"], value_serializer="json")
events = app.dataframe(purchases).concat(app.dataframe(carts))
events.apply(decide, stateful=True).filter(lambda trigger: trigger is not None).to_topic(triggers)

if __name__ == "__main__":
    app.run()
