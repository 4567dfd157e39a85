"""`offbeat rules`: the active ones, and whether a file is right."""

import json
from pathlib import Path

import pytest

from agents.rulebook.rules import NAMES, CartAbandoned, Rules
from streams.commands import run
from tests.support.commands import refused

pytestmark = pytest.mark.usefixtures("own_directory")


def test_rules_check_tells_that_a_file_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.toml").write_text('["cart.abandoned"]\nenabled = false\n[guards]\nholdout = 0.1')
    assert run(["rules", "check", "r.toml"]) == 0
    out, err = capsys.readouterr()
    assert out == "r.toml is valid: 10 of 11 rules are on\n"
    assert err == "offbeat: guards.holdout is set but not applied by this version: nobody is held out\n"


def test_rules_check_tells_the_line_of_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.toml").write_text('["cart.abandoned"]\nafter = "4 hours"')
    status, told = refused(capsys, "rules", "check", "r.toml")
    assert status == 2
    assert told.startswith('r.toml:2: cart.abandoned.after: "4 hours" is not allowed')


def test_rules_show_tells_every_number_and_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.toml").write_text('["cart.abandoned"]\nafter = "5h"')
    assert run(["rules", "show", "--rules", "r.toml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    changed = Rules(cart_abandoned=CartAbandoned(after=5 * 3_600_000)).versions["cart.abandoned"]
    assert [line for line in lines if "default" in line] == [f'cart.abandoned  {changed}  after  "5h"  default "4h"']
    assert f"repurchase.overdue  {Rules().versions['repurchase.overdue']}  window  0.8" in lines
    assert 'guards  consent  "opt-out"' in lines


def test_rules_show_as_json_takes_the_file_of_the_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("r.toml").write_text('["browse.abandoned"]\nviews = 3')
    monkeypatch.setenv("OFFBEAT_RULES", "r.toml")
    assert run(["rules", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["file"] == "r.toml"
    assert tuple(shown["rules"]) == NAMES
    assert shown["rules"]["browse.abandoned"]["settings"]["views"] == {"value": "3", "default": "2"}
    assert shown["guards"]["settings"]["cap"] == {"value": "false", "default": "false"}
