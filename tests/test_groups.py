"""That tests of a group run in one process is for xdist to see to; that it knows of the group is for us."""

import pytest


@pytest.fixture(scope="module")
def shared() -> None:
    """Made once for this module, if its tests run in one process."""


def group_of(request: pytest.FixtureRequest) -> str:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("there is one process")
    return str(request.node.nodeid).rpartition("@")[2]


@pytest.mark.xdist_group("of a name")
def test_a_group_that_is_named(request: pytest.FixtureRequest) -> None:
    assert group_of(request) == "of a name"


@pytest.mark.usefixtures("shared")
def test_what_a_module_shares_makes_it_a_group(request: pytest.FixtureRequest) -> None:
    assert group_of(request) == "tests/test_groups.py"


def test_others_go_where_there_is_room(request: pytest.FixtureRequest) -> None:
    assert group_of(request) == request.node.nodeid
