"""Who writes the views of a partition number, as it stands in Redis."""

import msgspec
from msgspec import Struct


class ViewMark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one partition number."""

    owner: str = ""
    """Who writes them; nobody: they are complete up to `offsets`."""
    offsets: dict[str, int] = {}
    """By source."""
    refreshed_at: int = 0
    """When all of them were begun to be written last, epoch ms."""


encode_mark = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ViewMark).decode


def decode_mark(value: bytes | None) -> ViewMark | None:
    """None: there is none, or none that can be read."""
    try:
        return None if value is None else _decode(value)
    except msgspec.DecodeError:
        return None
