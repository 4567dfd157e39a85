"""A short round of each kind of fault: whatever dies and whenever, what comes out is that of an undisturbed run."""

from pathlib import Path

import pytest

from tests.chaos.plan import BROKER, NETWORK, WORKER, plan
from tests.chaos.report import details, summary
from tests.chaos.round import Load, play
from tests.chaos.world import World

pytestmark = pytest.mark.xdist_group("chaos")
SESSION = 3.0


@pytest.mark.parametrize("kinds", [WORKER, BROKER, NETWORK], ids=["workers", "brokers", "network"])
def test_each_kind_once(world: World, kinds: tuple[str, ...], tmp_path: Path) -> None:
    faults = list(plan(11, len(kinds), workers=3, brokers=3, session=SESSION, kinds=kinds))
    assert {fault.kind for fault in faults} == set(kinds)
    world.folder = tmp_path
    outcome = play(world, faults, seed=11, load=Load(events=4000), session=SESSION, folder=tmp_path)
    assert outcome.right, summary(1, outcome) + "\n" + details(outcome)
    assert outcome.messages > 2000
    assert [done.fault for done in outcome.done] == faults
    if kinds is WORKER:
        assert outcome.starts >= 5  # one was killed, one was stopped
