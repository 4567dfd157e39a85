"""What tests of writers on real brokers stand between."""

import pytest

from tests.support.network import Network


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)
