"""A world that the tests of a module share."""

from collections.abc import Iterator

import pytest

from tests.chaos.world import World, make_world


@pytest.fixture(scope="module")
def world(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:  # noqa: ARG001 - it may skip
    """Three brokers and the places of three workers, each with a network of its own."""
    with make_world(tmp_path_factory.mktemp("world")) as found:
        yield found
