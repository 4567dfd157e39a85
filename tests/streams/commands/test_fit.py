"""`offbeat fit`, as a user runs it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.commands import offbeat, run
from tables.orders import DAY
from tables.parameters import BUILTIN, load_parameters
from tests.support.commands import refused
from tests.support.core import T0
from tests.support.logfiles import HEADER, Write


def fit(*arguments: str | Path) -> Result:
    return CliRunner().invoke(offbeat, ["fit", *map(str, arguments)])


def test_the_cdnow_log(cdnow: Path, tmp_path: Path) -> None:
    """The rhythm of the built-in parameters, moved by what a fit adds: the newest gaps count for more."""
    out = tmp_path / "parameters.json"
    result = fit(cdnow, "--out", out)
    assert result.exit_code == 0
    assert [line for line in result.stderr.splitlines() if "offbeat" in line] == [
        "offbeat: products: the built-in figures; no order says what was bought"
    ]
    found = load_parameters(out)
    assert found.timing.mu0 == pytest.approx(BUILTIN.timing.mu0, abs=0.1)
    assert found.timing.tau2 == pytest.approx(BUILTIN.timing.tau2, rel=0.35)
    assert found.timing.weights[4] > 0.75
    assert 0.5 < found.timing.omega < 0.9
    assert found.timing.shift[0] > found.timing.shift[2] > found.timing.shift[3]
    assert found.basket.m0 == pytest.approx(BUILTIN.basket.m0, abs=0.05)
    assert result.stdout.splitlines() == [
        "23,570 customers, 44,021 gaps between their orders",
        "42% are gone after the first order; half of the others return within 87 days, 80 % within 364",
        "half of the orders are below 24.59",
        "one customer in ten has spent 243.07 USD or more",
        f"{out}: parameters {found.version}",
    ]
    again = tmp_path / "again.json"
    fit(cdnow, "--out", again)
    assert again.read_bytes() == out.read_bytes()
    assert CliRunner().invoke(offbeat, ["backtest", str(cdnow), "--parameters", str(out)]).exit_code == 0


def test_what_stands_in_for_what_cannot_be_told_is_said(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "parameters.json"
    result = fit(write("log.csv", HEADER + "1,2023-01-01,purchase,o1,p,,,,\nx,nonsense,purchase,,,,,,\n"), "--out", out)
    assert result.exit_code == 0
    assert load_parameters(out) == BUILTIN
    rejected, timing, basket, products = result.stderr.splitlines()
    assert "row 2" in rejected
    assert timing == "offbeat: timing: the built-in figures; 1 customers, 30 are needed"
    assert basket == "offbeat: baskets: the built-in figures; no order has an amount, so the basket rules stay silent"
    why = "products that a customer bought on 3 days: 0, 30 are needed"
    assert products == f"offbeat: products: the built-in figures; {why}"


def test_rates_of_the_rules_turn_amounts_before_they_are_learned(cdnow: Path, tmp_path: Path) -> None:
    """Half of the customers pay in another currency, in which everything costs ten times as much."""
    header, *rows = cdnow.read_text().splitlines()
    place = {name: number for number, name in enumerate(header.split(","))}
    mixed = []
    for row in rows[:20_000]:
        fields = row.split(",")
        if int(fields[place["customer_id"]]) % 2:
            fields[place["amount"]] = str(10 * float(fields[place["amount"]]))
            fields[place["currency"]] = "SEK"
        mixed.append(",".join(fields))
    log, plain = tmp_path / "mixed.csv", tmp_path / "plain.csv"
    log.write_text("\n".join([header, *mixed, ""]))
    plain.write_text("\n".join([header, *rows[:20_000], ""]))
    rules = tmp_path / "rules.toml"
    rules.write_text("[currencies]\nUSD = 1.0\nSEK = 0.1\n")
    found = []
    for file, options in ((plain, ()), (log, ("--rules", rules)), (log, ())):
        out = tmp_path / "out.json"
        assert fit(file, "--out", out, *options).exit_code == 0
        found.append(load_parameters(out).basket.m0)
    assert found[1] == pytest.approx(found[0], abs=0.001)
    assert abs(found[2] - found[0]) > 0.02, "by half of the customers alone it is another shop"


def test_nothing_to_fit_is_refused(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, out = write("log.csv", HEADER + "1,2023-01-01,view,,p,,,,\n"), tmp_path / "out.json"
    assert refused(capsys, "fit", str(log), "--out", str(out)) == (
        2,
        f"{log}: holds no order, so there is nothing to fit",
    )
    assert not out.exists()


def test_bad_usage_is_one_line(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write("log.csv", HEADER + "1,2023-01-01,purchase,,p,,,,\n")
    assert refused(capsys, "fit", str(log))[0] == 2
    assert refused(capsys, "fit", str(tmp_path / "none.csv"), "--out", "x")[0] == 2
    assert run(["fit", str(log), "--out", str(tmp_path / "no" / "out.json")]) == 1
    assert "out.json: cannot be written: No such file or directory" in capsys.readouterr().err


def test_how_long_products_last_is_learned_and_told(write: Write, tmp_path: Path) -> None:
    rows = [
        f"c{customer},{T0 + (30 * place + customer % 3) * DAY},purchase,,coffee,drinks,1,9.5,EUR\n"
        for customer in range(40)
        for place in range(6)
    ]
    out = tmp_path / "parameters.json"
    result = fit(write("log.csv", HEADER + "".join(rows)), "--out", out)
    assert result.exit_code == 0
    assert "products" not in result.stderr
    told = [line for line in result.stdout.splitlines() if line.startswith("a product")]
    assert told == [
        "a product bought again and again is bought every 30 days; categories with a rhythm of their own: 1"
    ]
    assert set(load_parameters(out).products.categories) == {"drinks"}
