"""The thin Faust agent: batches of one partition number go to the table, which runs the core over them."""

from typing import Any, Protocol

import faust


class Table(Protocol):
    async def apply(self, batch: Any) -> None: ...


def bind(app: faust.App, topics: tuple[str, ...], table: Table, *, concurrency: int) -> None:
    """Let `app` hand every batch of `topics` to `table`, `concurrency` partition numbers at a time.

    The topics are declared with acks=False: Faust has nothing to commit, delivery is the table's.
    """
    source = app.topic(*topics, acks=False, key_serializer="raw", value_serializer="raw")

    async def customers(batches: Any) -> None:
        async for batch in batches:
            await table.apply(batch)

    app.agent(source, name="offbeat.customers", concurrency=concurrency)(customers)
