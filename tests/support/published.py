"""Records of the topic of parameters, made by hand."""

from typing import Any

import msgspec
from msgspec import Raw

from agents.learning.sample import Sample
from agents.learning.sampling import take_sample
from streams.refit.records import Published, SampleOf
from tables.parameters import BUILTIN, Parameters
from tables.states import States


def named(version: str) -> Parameters:
    """The built-in parameters under another name."""
    return msgspec.structs.replace(BUILTIN, version=version)


def published(serial: int, version: str = "", **more: Any) -> Published:
    """Parameters called `version`, or `v` and the serial number."""
    parameters = Raw(msgspec.json.encode(named(version or f"v{serial}")))
    told = {"way": "hand", "by": "a test", "published_at": 1000 + serial, **more}
    return Published(serial=serial, parameters=parameters, **told)


def nobody(until: int) -> Sample:
    """A sample of no customer."""
    return take_sample(States(0), until)


def sample(until: int, *, orders: int = 500, partitions: int = 2) -> SampleOf:
    """Of a partition number's customers, who are left out."""
    return SampleOf(until=until, partitions=partitions, orders=orders, sample=nobody(until).encode())
