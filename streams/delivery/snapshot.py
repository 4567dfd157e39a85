"""The states of a partition number as they are durable now, for commands that look at all of them."""

from uuid import uuid4

from streams.delivery.changelog import fence_record, read_changelog
from streams.delivery.ports import Writer
from streams.flow.mark import Mark
from streams.settings import Settings


async def snapshot(settings: Settings, number: int, writer: Writer) -> tuple[dict[bytes, bytes], Mark | None]:
    """The packed states and the mark, up to a fence that `writer` writes. Raises what it does, and read_changelog."""
    token = uuid4().hex
    try:
        await writer.open()
        await writer.write([(*fence_record(token), [])], {}, {})
    finally:
        await writer.close()
    newest: dict[bytes, bytes | None] = {}
    mark = await read_changelog(settings, number, token, newest.update)
    return {key: packed for key, packed in newest.items() if packed is not None}, mark
