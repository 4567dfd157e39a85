"""Who may import whom, and that what decides reads neither clock nor chance nor network: the rules of the house."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import parsed

ROOT = Path(__file__).parents[1]
PACKAGES = ("tables", "agents", "streams")
OUTSIDE = {"faust", "kafka", "aiokafka", "redis", "confluent_kafka", "mode", "asyncio", "socket", "threading"}
"""What moves events about: no business of what remembers and decides."""
READS_THE_WORLD = {"time", "random", "secrets", "subprocess", "urllib", "http"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "uuid1", "uuid4", "urandom"}
BINDING = ROOT / "agents" / "binding.py"
"""The one place where agents meet faust."""
DELIVERY = ROOT / "streams" / "delivery"
ROOMS: dict[str, set[str]] = {
    "models": set(),
    "rulebook": set(),
    "triggers": {"models", "rulebook", "emitter", "decisions"},
    "grounds": {"triggers", "models", "rulebook", "emitter", "decisions"},
    "fit": {"models", "rulebook"},
    "evidence": {"fit", "models"},
    "learning": {"fit", "models", "evidence"},
}
"""Of `agents`, and what each may import of it beside itself."""


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a module imports, wherever in it, for types only too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            assert node.module is not None
            yield node.lineno, node.module
            for name in node.names:
                yield node.lineno, f"{node.module}.{name.name}"


def offences(paths: list[Path], forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imports(path)
        if name.split(".")[0] in forbidden
    ]


def test_the_rules_are_held_against_all_modules() -> None:
    assert {path.parts[len(ROOT.parts)] for path in modules(*PACKAGES)} == set(PACKAGES)
    assert len(modules(*PACKAGES)) > 40
    assert BINDING in modules("agents")


def test_tables_import_neither_agents_nor_streams() -> None:
    assert offences(modules("tables"), {"agents", "streams", "tests"}) == []


def test_agents_import_only_themselves_and_tables() -> None:
    assert offences(modules("agents"), {"streams", "tests"}) == []


def test_the_rooms_of_agents_import_only_what_lies_below_them() -> None:
    assert {path.parent.name for path in modules("agents")} == {"agents", *ROOMS}
    assert [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for room, below in ROOMS.items()
        for path in modules(f"agents/{room}")
        for line, name in imports(path)
        if name.startswith("agents.") and name.split(".")[1] not in below | {room}
    ] == []


def test_nothing_that_runs_imports_tests() -> None:
    assert offences(modules(*PACKAGES), {"tests", "pytest", "hypothesis"}) == []


def test_what_remembers_and_decides_knows_no_broker() -> None:
    pure = [path for path in modules("tables", "agents") if path != BINDING]
    assert offences(pure, OUTSIDE | READS_THE_WORLD) == []


def test_only_the_binding_imports_faust() -> None:
    assert [path for path in modules("agents") if offences([path], {"faust"})] == [BINDING]


def clock_readings(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            owner = ast.unparse(node.func.value)
            if owner.split(".")[-1] in {"datetime", "date", "time", "os", "uuid", "pd", "np"}:
                yield f"{path.relative_to(ROOT)}:{node.lineno} reads {owner}.{node.func.attr}"


@pytest.mark.parametrize("package", ["tables", "agents"])
def test_no_rule_reads_a_clock(package: str) -> None:
    assert [reading for path in modules(package) for reading in clock_readings(path)] == []


def test_such_readings_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_imports.ROOT", tmp_path)
    path = tmp_path / "bad.py"
    path.write_text(
        "import random\nfrom datetime import datetime\nimport streams.clock\n\n\n"
        "def late() -> bool:\n    from time import time\n\n    return datetime.now() > datetime.utcnow()\n"
    )
    assert sorted(clock_readings(path)) == ["bad.py:9 reads datetime.now", "bad.py:9 reads datetime.utcnow"]
    assert offences([path], READS_THE_WORLD | {"streams"}) == [
        "bad.py:1 imports random",
        "bad.py:3 imports streams.clock",
        "bad.py:7 imports time",
        "bad.py:7 imports time.time",
    ]


def test_what_works_on_events_is_told_the_time() -> None:
    for path in (*modules("streams/flow"), ROOT / "streams" / "backtest.py", DELIVERY / "positions.py"):
        assert offences([path], READS_THE_WORLD) == []
        assert list(clock_readings(path)) == []


def test_what_delivers_knows_brokers_by_their_errors_only() -> None:
    """So that a simulation can drive it, in a time of its own."""
    for name in ("partition", "takeover", "holdings", "leash", "rows", "reporting", "groupoffsets", "batch", "ports"):
        path = DELIVERY / f"{name}.py"
        assert offences([path], {"faust", "mode", "kafka", "threading"}) == []
        brokers = [name for _, name in imports(path) if name.startswith("aiokafka")]
        assert all(name.startswith("aiokafka.errors") for name in brokers)
        assert [reading for reading in clock_readings(path) if not reading.endswith("time.perf_counter")] == []


def test_a_worker_leaves_what_only_fits_need_to_the_process_that_fits() -> None:
    """Imports and memory of every worker, 25 MiB of it, for what runs apart from it now and then."""
    show = "import sys, streams.worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", show], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "streams.refit.thread" in loaded.stdout.split()
    assert not {"scipy.optimize", "agents.learning.refit", "agents.fit.fitting"} & set(loaded.stdout.split())
