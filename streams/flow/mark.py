"""The mark: where a partition number stands in its sources. Written with every batch, it is the truth."""

import msgspec
from msgspec import Struct

from tables.customer import NEVER


class Position(Struct, array_like=True, frozen=True):
    """Where to go on in a source: the next offset, and the effective time that its feed had reached (epoch ms)."""

    offset: int
    frontier: int = 0


class Mark(Struct, frozen=True):
    positions: dict[str, Position]
    """By source (tables.events.SOURCES)."""
    now: int = 0
    """When decisions were last made: event time in a replay, else the wall clock; epoch ms."""
    live_from: int = NEVER
    """The effective time of the first record that was not an import (replay), epoch ms."""
    topics: dict[str, str] = {}
    """By source: the id that the brokers gave the topic when it was made; sources without one are left out."""


encode_mark = msgspec.json.Encoder().encode
decode_mark = msgspec.json.Decoder(Mark).decode
