"""What tests of views share."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.support.redis_server import RedisServer


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Any]:
    with Redis.from_url(redis_server.url) as found:
        yield found
