"""`offbeat rules diff`: what two rule sets would have sent on the same log, and what moved."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agents.fit.histories import Orders
from agents.rulebook.rules import NAMES, CartAbandoned, RepurchaseOverdue, Rules
from streams.commands import run
from streams.rulesdiff import differing
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.commands import refused
from tests.support.logfiles import HEADER
from tests.support.population import BEGIN, invented
from tests.support.reports import backtest, write_orders

pytestmark = pytest.mark.usefixtures("own_directory")

HOUR = 3_600_000
CARTS = HEADER + "".join(
    [
        f"quick,{BEGIN},add_to_cart,,tea,,1,,\n",
        f"slow,{BEGIN},add_to_cart,,tea,,1,,\n",
        f"quick,{BEGIN + 5 * HOUR},purchase,o1,tea,,1,5,EUR\n",
        f"slow,{BEGIN + 9 * DAY},purchase,o2,tea,,1,5,EUR\n",
    ]
)


@pytest.fixture
def carts() -> str:
    Path("log.csv").write_text(CARTS)
    Path("later.toml").write_text('["cart.abandoned"]\nafter = "6h"\n')
    Path("off.toml").write_text('["cart.abandoned"]\nenabled = false\n')
    return "log.csv"


@pytest.fixture(scope="module")
def orders() -> Orders:
    return invented(BUILTIN.timing, BUILTIN.basket, customers=300, days=600)[0]


def diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["rules", "diff", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_one_moves_and_one_is_answered_in_time(carts: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = diff(capsys, "builtin", "later.toml", carts)
    assert found["settings"] == {"cart.abandoned": {"after": {"a": '"4h"', "b": '"6h"'}}}
    assert tuple(found["triggers"]) == NAMES
    assert found["triggers"]["cart.abandoned"] == {
        "a": 2, "b": 1, "both": 1, "only_a": 1, "only_b": 0, "earlier_in_b": 0, "later_in_b": 1, "median_days": 0.0833,
    }  # fmt: skip
    quick, slow = found["examples"]
    assert (quick["where"], quick["customer_id"], quick["b"]) == ("only_a", "quick", None)
    assert quick["a"]["fired_at"] == "2020-09-13T04:00:00.000Z"
    assert quick["a"]["reason"] == "1 product left in the cart, untouched for 4 hours, no order since"
    assert (slow["where"], slow["customer_id"]) == ("moved", "slow")
    assert [slow[side]["reason"].split(", ")[1] for side in "ab"] == ["untouched for 4 hours", "untouched for 6 hours"]


def test_the_other_way_round(carts: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = diff(capsys, "later.toml", "builtin", carts)["triggers"]["cart.abandoned"]
    assert (found["only_a"], found["only_b"], found["earlier_in_b"], found["median_days"]) == (0, 1, 1, -0.0833)


def test_what_is_switched_off_is_only_in_the_other(carts: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = diff(capsys, "builtin", "off.toml", carts, "--examples", "1")
    assert found["triggers"]["cart.abandoned"]["only_a"] == 2
    assert [example["customer_id"] for example in found["examples"]] == ["quick"]


def test_the_same_rules_send_the_same(carts: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = diff(capsys, "off.toml", "off.toml", carts)
    assert found["settings"] == {}
    assert found["examples"] == []
    assert not sum(sum(v for v in one.values() if v) for one in found["triggers"].values())


def test_as_lines(carts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "diff", "builtin", "later.toml", carts]) == 0
    four, six = (
        f"2020-09-13 0{hours}:00: 1 product left in the cart, untouched for {hours} hours, no order since"
        for hours in (4, 6)
    )
    assert capsys.readouterr().out.splitlines() == [
        'cart.abandoned  after  "4h" in A  "6h" in B',
        "cart.abandoned  2 in A  1 in B  1 in both  1 only in A  0 only in B  1 moved, typically 2 hours later",
        f"cart.abandoned  only in A  quick  {four}",
        f"cart.abandoned  moved  slow  {four}  {six}",
    ]


def test_it_counts_what_two_backtests_send(orders: Orders, capsys: pytest.CaptureFixture[str]) -> None:
    """By customer and order: what a trigger of a rule of absence is about."""
    log = write_orders(Path("log.csv"), orders)
    Path("b.toml").write_text('["repurchase.overdue"]\nwindow = 0.9\nprobability = 0.7\n["basket.shrunk"]\np = 0.05\n')
    sent = []
    for name, rules in (("a", ()), ("b", ("--rules", "b.toml"))):
        out = Path(f"{name}.jsonl")
        assert backtest(log, "--triggers", out, *rules).exit_code == 0
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        fired = [line for line in lines if "cancelled_at" not in line and "suppressed_by" not in line]
        sent.append({(line["type"], line["customer_id"], line["order_id"]): line["fired_at"] for line in fired})
    one, other = sent
    found = diff(capsys, "builtin", "b.toml", str(log), "--examples", "1000")
    both, examples = one.keys() & other.keys(), Counter((one["type"], one["where"]) for one in found["examples"])
    assert len(both) > 100
    for kind, row in found["triggers"].items():
        wanted = {
            "a": sum(key[0] == kind for key in one),
            "b": sum(key[0] == kind for key in other),
            "both": sum(key[0] == kind for key in both),
            "only_a": sum(key[0] == kind for key in one.keys() - both),
            "only_b": sum(key[0] == kind for key in other.keys() - both),
            "earlier_in_b": sum(key[0] == kind and other[key] < one[key] for key in both),
            "later_in_b": sum(key[0] == kind and other[key] > one[key] for key in both),
        }
        assert {key: row[key] for key in wanted} == wanted, kind
        for where in ("only_a", "only_b"):
            assert examples[kind, where] == row[where]
        assert examples[kind, "moved"] == row["earlier_in_b"] + row["later_in_b"]
    assert found["triggers"]["repurchase.overdue"]["later_in_b"] > 0
    assert found["triggers"]["basket.shrunk"]["only_b"] > 0


def test_examples_are_spread_over_the_log(orders: Orders, capsys: pytest.CaptureFixture[str]) -> None:
    log = write_orders(Path("log.csv"), orders)
    Path("none.toml").write_text('["repurchase.due"]\nenabled = false\n')
    out = Path("a.jsonl")
    backtest(log, "--triggers", out, "--parameters", "builtin")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    fired = [line["fired_at"] for line in lines if line["ce_type"] == "repurchase.due"]
    found = diff(capsys, "builtin", "none.toml", str(log), "--parameters", "builtin")
    assert [example["a"]["fired_at"] for example in found["examples"]] == [
        fired[0], fired[round((len(fired) - 1) / 2)], fired[-1],
    ]  # fmt: skip


def test_what_differs_is_named_as_a_rules_file_writes_it() -> None:
    one = Rules()
    other = Rules(repurchase_overdue=RepurchaseOverdue(horizon=30 * DAY), cart_abandoned=CartAbandoned(enabled=False))
    assert differing(one, one) == {}
    assert differing(one, other) == {
        "repurchase.overdue": {"horizon": {"a": '"90d"', "b": '"30d"'}},
        "cart.abandoned": {"enabled": {"a": "true", "b": "false"}},
    }


def test_names_that_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[31mred\u202e"
    Path("log.csv").write_text(HEADER + f"{name},{BEGIN},add_to_cart,,tea,,1,,\nz,{BEGIN + DAY},view,,tea,,,,\n")
    Path("off.toml").write_text('["cart.abandoned"]\nenabled = false\n')
    assert run(["rules", "diff", "builtin", "off.toml", "log.csv"]) == 0
    assert "only in A  ?[31mred?  2020" in capsys.readouterr().out
    assert diff(capsys, "builtin", "off.toml", "log.csv")["examples"][0]["customer_id"] == name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing.toml", "builtin", "log.csv"), "missing.toml: cannot be read: No such file or directory"),
        (("builtin", "bad.toml", "log.csv"), "bad.toml:2: cart.abandoned.after:"),
        (("builtin", "builtin", "missing.csv"), "missing.csv: No such file or directory"),
        (("builtin", "builtin", "log.csv", "--parameters", "missing.json"), "missing.json"),
        (("builtin", "builtin", "log.csv", "--examples", "-1"), "-1 is not in the range"),
        (("builtin", "log.csv"), "Missing argument"),
    ],
)
def test_wrong_input_is_one_line(
    carts: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert carts == "log.csv"
    Path("bad.toml").write_text('["cart.abandoned"]\nafter = "soon"\n')
    status, told = refused(capsys, "rules", "diff", *arguments)
    assert status == 2
    assert says in told


def test_a_full_disk_is_one_line(
    carts: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.rulesdiff.TemporaryFile", lambda: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115
    status, told = refused(capsys, "rules", "diff", "builtin", "builtin", carts, "--parameters", "builtin")
    assert status == 1
    assert "TMPDIR names another folder: No space left on device" in told
