"""The documentation is true: tables hold what the code has, examples work, files that are named exist."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from agents.decisions import FAMILIES
from agents.rulebook.kinds import Duration, duration_text
from agents.rulebook.rules import NAMES, Rules, load_rules
from streams.commands import COMMANDS, offbeat
from streams.flow.decode import KINDS as REASONS
from streams.flow.decode import decoder
from streams.resolve import KINDS, load_settings, variable
from streams.watch.metrics import Metrics
from tables.parameters import BUILTIN, load_parameters
from tests.chaos.plan import KINDS as FAULTS
from tests.sim.planted import PLANTED
from tests.support.sources import parsed

ROOT = Path(__file__).parent.parent
FOLDERS = ("streams", "agents", "tables", "tests", "deploy")
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob(".github/*.md"),
    *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")),
]


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def rows_of(page: str, heading: str) -> Iterator[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def block_of(page: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found, f"no block of {language}"
    return found[1]


def test_every_setting_is_listed() -> None:
    listed = {(row[0], row[1]) for row in rows_of(text_of("streams/OPERATING.md"), "Settings")}
    assert listed == {(".".join(key), variable(key)) for key in KINDS}


def test_defaults_of_settings_are_the_listed_ones(tmp_path: Path) -> None:
    settings = load_settings({}, {}, tmp_path)
    for key, _, default, *_ in rows_of(text_of("streams/OPERATING.md"), "Settings"):
        value: object = settings
        for part in key.split("."):
            value = getattr(value, part)
        kind = KINDS[tuple(key.split("."))]
        if isinstance(kind, Duration):
            value = duration_text(value)  # type: ignore[arg-type] # a duration is a number
        shown = "" if value is None else str(value)
        assert default == shown, key


def test_every_metric_is_listed() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    there = {}
    collectors: set[Any] = set(registry._names_to_collectors.values())
    for metric in collectors:
        (family,) = metric.describe()
        there[family.name] = (family.type, ", ".join(metric._labelnames))
    rows = list(rows_of(text_of("streams/OPERATING.md"), "Metrics"))
    listed = {row[0]: (row[1], row[2]) for row in rows}
    assert len(rows) == len(listed)
    for name, _, _, *told in rows:
        assert all(told), f"{name}: its unit, what it means, or what to do"
    assert listed == there


def logged() -> Iterator[tuple[str, str]]:
    """Level and text of every line that streams, agents and tables may write to the log."""
    for path in (path for folder in ("streams", "agents", "tables") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner, text = ast.unparse(node.func.value), node.args[0] if node.args else None
                if owner == "log" and node.func.attr in {"debug", "info", "warning", "error", "critical", "exception"}:
                    assert isinstance(text, ast.Constant), f"{path}:{node.lineno}: a text that never changes"
                    yield node.func.attr, str(text.value)


def test_lines_of_the_log_are_listed() -> None:
    """Each at its level; what stands between dots in the page stands in the line, in this order."""
    section = text_of("streams/OPERATING.md").split("\n## The log\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`.*`) \| (\w+) \|", section, re.MULTILINE)
    listed = [(level, text.split("...")) for texts, level in rows for text in re.findall(r"`([^`]+)`", texts)]
    for level, line in logged():
        if (level, line) in {("warning", "%s"), ("debug", "closing the producer of partition %d: %r")}:
            continue  # a warning of the rules, which says itself what to do; and what a person never needs
        assert any(level == wanted and re.search(".*".join(map(re.escape, parts)), line) for wanted, parts in listed), (
            level,
            line,
        )


def test_reasons_of_dead_letters_are_listed() -> None:
    page = text_of("streams/OPERATING.md")
    assert all(f"`{reason}`" in page for reason in REASONS)


def test_the_rules_in_the_page_are_the_defaults(tmp_path: Path) -> None:
    page = text_of("agents/README.md")
    path = tmp_path / "rules.toml"
    path.write_text(block_of(page, "toml"))
    assert load_rules(path) == Rules()
    assert [row[0] for row in rows_of(page, "Triggers")] == list(NAMES) == list(FAMILIES)


def test_the_parameters_in_the_page_are_the_built_in_ones(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    path.write_text(block_of(text_of("tables/README.md"), "json"))
    assert load_parameters(path).fingerprint == BUILTIN.fingerprint


def test_examples_of_deploy_are_valid(tmp_path: Path) -> None:
    load_settings({"config": str(ROOT / "deploy" / "offbeat.toml")}, {}, tmp_path)
    assert load_rules(ROOT / "deploy" / "rules.toml") == Rules()


def test_every_command_is_in_the_readme() -> None:
    page = text_of("README.md")
    assert all(f"`{name}" in page for name in COMMANDS)


def test_the_example_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = text_of("README.md")
    monkeypatch.chdir(tmp_path)
    Path("orders.csv").write_text(block_of(page, "csv"))
    command, *expected = block_of(page, "console").splitlines()
    result = CliRunner().invoke(offbeat, command.removeprefix("$ offbeat ").split())
    assert result.exit_code == 0
    timeless = [re.sub(r"in [\d.]+ s", "in _ s", line).split() for line in result.stdout.splitlines()]
    assert timeless == [re.sub(r"in [\d.]+ s", "in _ s", line).split() for line in expected]
    triggers = CliRunner().invoke(offbeat, ["backtest", "orders.csv", "--triggers", "-"]).stdout.splitlines()
    found = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    (shown,) = [value for value in found if "trigger_id" in value]
    sent = [json.loads(line) for line in triggers]
    assert shown in [{key: value[key] for key in value if key not in ("topic", "ce_type")} for value in sent]
    (event,) = [value for value in found if "event_id" in value]
    decoder("purchases")(b"ann", json.dumps(event).encode(), 1 << 50)


def test_hazards_are_numbered_and_each_is_shown() -> None:
    """By tests, planted bugs or faults that exist; what is in bold in a row is what is not guarded."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text_of("streams/RELIABILITY.md").splitlines()
        if re.match(r"\| \d+ \|", line)
    ]
    assert [int(number) for number, *_ in rows] == list(range(1, 32))
    for number, _, _, shown in rows:
        for part in re.sub(r"\b(planted|faults?) ", "", shown).replace("; ", ", ").split(", "):
            name = part.strip("`")
            assert part == f"`{name}`", (number, part)
            assert "::" in name or name in {*PLANTED, *FAULTS}, (number, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_are_named_exist(page: Path) -> None:
    for file, name in re.findall(r"`([\w./-]+\.py)::(\w+)`", page.read_text()):
        assert re.search(rf"^(async )?def {name}\(", text_of(file), re.MULTILINE), (file, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"`([\w./-]+\.(?:md|py|toml|lock))`", page.read_text()):
        places = (ROOT, *(ROOT / folder for folder in FOLDERS), page.parent)
        beneath = () if page.parent == ROOT else page.parent.rglob(name)
        assert any((place / name).exists() for place in places) or any(beneath), name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pictures_exist_and_are_small(page: Path) -> None:
    for alternative, name in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text()):
        assert alternative
        assert (page.parent / name).stat().st_size < 150_000
