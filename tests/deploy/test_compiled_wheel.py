"""The compiled wheel: it holds what it should, and what is compiled does what its sources do, byte for byte."""

import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from streams.brokers.embedded import EmbeddedBroker
from tests.bench.inmemory import PER_BATCH, InMemory, batches, calls
from tests.support.compiled import PROGRAM, ROOT, environment
from tests.support.outcomes import LOADS
from tests.support.topics_io import Send, event, now, produce, read_all
from tests.support.workers import deploy, rules_of_a_minute, running

MODULES: tuple[str, ...] = runpy.run_path(str(PROGRAM))["MODULES"]
NOT_COMPILED = {
    "agents/decisions.py",
    "tables/basket.py",
    "tables/cart.py",
    "tables/customer.py",
    "tables/events.py",
    "tables/orders.py",
    "tables/products.py",
}
"""Of the hot path: they hold structs of msgspec, whose keywords mypyc drops."""
TESTS = ("tests/tables", "tests/streams/flow", "tests/agents/test_core_events.py", "tests/agents/triggers")
"""Those of what is compiled, as far as they go within a minute and a half."""
RUN = "import sys, agents, streams, tables, pytest; sys.exit(pytest.main(sys.argv[1:]))"
"""pytest puts the sources first, but what is imported by then stays."""

pytestmark = pytest.mark.xdist_group("compiled")


@pytest.fixture(scope="module")
def environ(compiler: None) -> dict[str, str]:  # noqa: ARG001 - it may skip
    return environment()


def python(*arguments: str | Path, env: dict[str, str], cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


# --- what is compiled ------------------------------------------------------------------------------------------------


def module_of(function: str) -> str | None:
    """The file of one of our functions, by its full name."""
    parts = function.split(".")
    names = ("/".join(parts[:length]) + ".py" for length in range(len(parts) - 1, 1, -1))
    return next((name for name in names if (ROOT / name).is_file() and not name.startswith("tests/")), None)


def test_its_modules_are_there() -> None:
    assert [name for name in MODULES if not (ROOT / name).is_file()] == []
    assert len(set(MODULES)) == len(MODULES)
    assert NOT_COMPILED.isdisjoint(MODULES)


@pytest.mark.parametrize("apart", [5, 2_000])
def test_it_compiles_what_events_pass_through(apart: int) -> None:
    """Every module with a call for one event in fifty, unless it cannot be."""
    worker, fetched = InMemory(), batches(8, 400, apart)
    worker.take(fetched[:5])
    found: Counter[str | None] = Counter()
    for function, count in calls(lambda: worker.take(fetched[5:]))[0].items():
        found[module_of(function)] += count
    hot = {name for name, count in found.items() if name is not None and count * 50 > 3 * PER_BATCH}
    assert hot - NOT_COMPILED - set(MODULES) == set()


def test_it_says_in_a_line_what_it_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path],
        env={**os.environ, "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (2, "no C compiler (no-such-compiler): apt-get install gcc libc6-dev\n")
    assert list(tmp_path.iterdir()) == []


def test_all_of_it_is_compiled_and_none_of_the_sources_is(environ: dict[str, str]) -> None:
    names = [name.removesuffix(".py").replace("/", ".") for name in MODULES]
    told = python(
        "-c", f"import importlib\nfor name in {names}: print(importlib.import_module(name).__file__)", env=environ
    )
    files = told.splitlines()
    assert len(files) == len(MODULES)
    assert [file for file in files if not file.endswith(".so")] == []
    packages = Path(files[0]).parents[1]
    assert all((packages / name).is_file() for name in MODULES), "the sources are beside it, for tracebacks"
    assert not [path for package in ("tables", "agents", "streams") for path in (ROOT / package).rglob("*.so")]


def test_little_of_an_event_is_interpreted(environ: dict[str, str]) -> None:
    """1.3 calls of functions that are not compiled, where the sources have 19.3: what structs do themselves."""
    told = python("-m", "tests.bench.inmemory", "--lines", "20", env=environ)
    assert float(told.split()[0]) < 1.29 * 1.03, told


# --- and does the same -----------------------------------------------------------------------------------------------


def test_it_comes_to_the_same_byte_for_byte(environ: dict[str, str], tmp_path: Path) -> None:
    """States, messages and dead letters, of the standard load and of whatever else may come."""
    folders = tmp_path / "interpreted", tmp_path / "compiled"
    for folder, env in zip(folders, ({**os.environ, "PYTHONPATH": str(ROOT)}, environ), strict=True):
        folder.mkdir()
        python("-m", "tests.support.outcomes", folder, env=env)
    for name in LOADS:
        one, other = ((folder / f"{name}.txt").read_bytes() for folder in folders)
        assert len(one) > 100_000, name
        first = next(
            (pair for pair in zip(one.splitlines(), other.splitlines(), strict=False) if pair[0] != pair[1]), None
        )
        assert first is None, name
        assert one == other, name


def test_its_units_pass_their_tests(environ: dict[str, str], tmp_path: Path) -> None:
    python(
        "-c",
        RUN,
        "-p",
        "no:cacheprovider",
        "--basetemp",
        tmp_path / "base",
        "-m",
        "not interpreted",
        *TESTS,
        env=environ,
    )


def test_a_worker_runs_on_it(environ: dict[str, str], embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    to = deploy(embedded_broker, rules=rules_of_a_minute(tmp_path))
    at = now() - 600_000
    topic = to.topic("carts")
    left = event(topic, "ann", at, "cart.item_added", event_id="a", product_id="p", quantity=1, price=5)
    produce(to.broker, [left, Send(topic, b"bob", b"no event")])
    with running({**to.environ, **{name: environ[name] for name in ("PYTHONPATH", "PYTHONSAFEPATH")}}) as worker:
        worker.wait_metric("offbeat_triggers_total", 1)
        assert "__mypyc" in Path(f"/proc/{worker.process.pid}/maps").read_text()
    (told,) = read_all(to.broker, [to.topic("triggers.cart")])
    assert (told.json["type"], told.json["customer_id"]) == ("cart.abandoned", "ann")
    assert len(read_all(to.broker, [to.topic("dead-letters")])) == 1
