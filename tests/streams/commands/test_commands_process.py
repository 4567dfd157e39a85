"""Commands as processes: signals, pipes, terminals, what they import."""

import os
import pty
import signal
import socket
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from streams import __main__ as entry
from tests.support.commands import read_terminal
from tests.support.workers import ROOT, offbeat

pytestmark = pytest.mark.usefixtures("own_directory")
PROGRAM = [sys.executable, "-m", "streams"]


def test_as_a_process_it_works_and_fails_alike() -> None:
    done = offbeat("--version", environ={})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("offbeat ")
    done = offbeat("topics", "check", environ={"OFFBEAT_BROKERS": "127.0.0.1:9"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    done = offbeat("topics", "check", environ={"OFFBEAT_BROKER": "x"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_light_commands_import_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text("")
    program = (
        "import sys; from streams.commands import run; run(sys.argv[1:]);"
        "print([m for m in ('faust', 'mode', 'numpy', 'scipy', 'pyarrow', 'kafka', 'aiokafka', 'redis') "
        "if m in sys.modules])"
    )
    for arguments in (["--help"], ["rules", "check", str(file)], ["rules", "show"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_is_quiet_and_status_130() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        child = subprocess.Popen(
            [*PROGRAM, "topics", "check", "--brokers", address],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        connections = [silent.accept()[0], silent.accept()[0]]  # ours, then the client's, which waits for an answer
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
        for connection in connections:
            connection.close()
    assert (child.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, "rules", "show"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def on_terminal(**environ: str) -> str:
    """What `doctor` writes to a terminal when there is no broker."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [*PROGRAM, "doctor", "--brokers", "127.0.0.1:9"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", **environ},
        stdout=theirs,
    )
    os.close(theirs)
    shown = read_terminal(ours)
    assert done.wait() == 1
    return shown


def test_a_terminal_gets_a_table_and_colour_unless_it_says_no() -> None:
    shown = on_terminal()
    assert "what to do" in shown
    assert "\x1b[32mok" in shown
    plain = on_terminal(NO_COLOR="1")
    assert "what to do" in plain
    assert "\x1b[3" not in plain


def test_somebody_elses_tables_are_noticed(tmp_path: Path) -> None:
    package = tmp_path / "tables"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('PyTables')")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(1, {str(ROOT)!r}); from streams.__main__ import main; main()",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "'tables' is another package" in done.stderr
    assert "an environment of its own" in done.stderr


def test_our_own_packages_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry.strangers() is None
    missing: ModuleSpec | None = None
    monkeypatch.setattr(entry, "find_spec", lambda _name: missing)
    assert "missing" in (entry.strangers() or "")
