"""What tests of the deployment share."""

import os
from pathlib import Path

import pytest

from tests.support.prometheus import FetchError, programs


@pytest.fixture(scope="session")
def prometheus_programs() -> Path:
    """The folder of `prometheus` and `promtool`. Where there is none the test is skipped; where CI is true it fails."""
    try:
        return programs()
    except FetchError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
