"""The command's options; what it does is tested by the rounds."""

from click.testing import CliRunner

from tests.chaos.__main__ import _cut, _kinds, chaos
from tests.chaos.plan import KINDS, NETWORK, plan


def test_kinds_are_chosen_by_their_beginnings() -> None:
    context = chaos.make_context("chaos", [])
    option = chaos.params[0]
    assert _kinds(context, option, "worker,broker,network") == KINDS
    assert _kinds(context, option, "broker-kill,network") == ("broker-kill", "broker-kill-most", *NETWORK)


def test_a_kind_that_is_none_is_an_error() -> None:
    result = CliRunner().invoke(chaos, ["--kinds", "comet"])
    assert result.exit_code == 2
    assert "none of worker-kill, worker-stop," in result.stderr


def test_rounds_are_cut_from_the_plan() -> None:
    faults = list(plan(1, 7, workers=3, brokers=3, session=3.0))
    rounds = list(_cut(iter(faults), 3))
    assert [(number, len(found)) for number, found in rounds] == [(1, 3), (2, 3), (3, 1)]
    assert [fault for _, found in rounds for fault in found] == faults
