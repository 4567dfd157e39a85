"""What tests of the deployment share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.compiled import missing
from tests.support.debian import FetchError
from tests.support.debian import programs as debian
from tests.support.golang import helm as built_helm


@pytest.fixture(scope="session")
def prometheus_programs() -> Path:
    """The folder of `prometheus` and `promtool`."""
    return _had(lambda: debian("prometheus", "prometheus", "promtool"))


@pytest.fixture(scope="session")
def amtool() -> Path:
    """Alertmanager's tool. Itself it runs only where it is installed: it looks for templates at a fixed place."""
    return _had(lambda: debian("prometheus-alertmanager", "amtool")) / "amtool"


@pytest.fixture(scope="session")
def helm() -> Path:
    """Helm."""
    return _had(built_helm)


@pytest.fixture(scope="session")
def compiler() -> None:
    """What the wheel is compiled with is here."""
    if reason := missing():
        _lacking(reason)


def _had(get: Callable[[], Path]) -> Path:
    """Where something cannot be had the test is skipped; where CI is true it fails."""
    try:
        return get()
    except FetchError as error:
        _lacking(str(error))


def _lacking(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
