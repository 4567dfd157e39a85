"""What the tests of the core share: a customer's story told with each way of cutting it into batches."""

import pytest

from tests.support.core import STYLES, Shop, Style


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> Style:
    found: Style = request.param
    return found


@pytest.fixture
def shop(style: Style) -> Shop:
    return Shop(style=style)
