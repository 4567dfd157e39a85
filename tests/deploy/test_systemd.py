"""The unit for one machine: read by systemd's own tools, and by the worker's settings. It is not started here."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from streams.commands import USAGE
from streams.resolve import load_settings
from streams.worker import _STOP_SECONDS
from tests.bench.worker import HUGE_PAGES
from tests.support.workers import ROOT

UNITS = ROOT / "deploy" / "systemd"
UNIT = UNITS / "offbeat@.service"
INSTANCE = "offbeat@9464.service"
SYSTEM = Path("/lib/systemd/system")
EXPOSURE = 15
"""Tenths, of 100, that `systemd-analyze security` may find; a unit without hardening has 96."""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine as the page says to set it up, as far as the units look at it."""
    if shutil.which("systemd-analyze") is None or not SYSTEM.is_dir():
        pytest.skip("no systemd: apt-get install systemd")
    shutil.copytree(SYSTEM, tmp_path / "lib" / "systemd" / "system", symlinks=True)
    shutil.copytree(UNITS, tmp_path / "etc" / "systemd" / "system")
    program = tmp_path / "opt" / "offbeat" / "bin" / "offbeat"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    return tmp_path


def analyze(machine: Path, *arguments: str) -> tuple[int, str]:
    command = ["systemd-analyze", *arguments, f"--root={machine}", INSTANCE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_systemd_has_nothing_against_it(machine: Path) -> None:
    assert analyze(machine, "verify") == (0, "")


@pytest.mark.parametrize(("right", "wrong"), [("Restart=on-failure", "Restart=maybe"), ("Type=exec", "Typ=exec")])
def test_it_would_say_so(machine: Path, right: str, wrong: str) -> None:
    copy = machine / "etc" / "systemd" / "system" / UNIT.name
    assert right in copy.read_text()
    copy.write_text(copy.read_text().replace(right, wrong))
    assert f"{UNIT.name}:" in analyze(machine, "verify")[1]


def test_a_worker_can_do_little_else(machine: Path) -> None:
    status, told = analyze(machine, "security", "--offline=yes", f"--threshold={EXPOSURE}")
    assert status == 0, told


def told_in(*files: Path) -> dict[str, str]:
    """The options of [Service], as last said."""
    lines = [line for file in files for line in file.read_text().splitlines()]
    return dict(re.findall(r"^(\w+)=(.*)$", "\n".join(lines), re.MULTILINE))


def test_it_is_started_again_unless_its_settings_are_wrong_and_may_end_in_order() -> None:
    told = told_in(UNIT)
    assert told["Restart"] == "on-failure"
    assert told["RestartPreventExitStatus"] == str(USAGE)
    assert float(told["TimeoutStopSec"]) > _STOP_SECONDS + 2


def test_a_worker_understands_its_variables(tmp_path: Path) -> None:
    files = [UNIT, UNITS / "offbeat@.service.d" / "login.conf"]
    said = " ".join(re.findall(r"^Environment=(.*)$", "".join(file.read_text() for file in files), re.MULTILINE))
    for what, value in (("%i", "9464"), ("%S", "/var/lib"), ("%d", "/run/credentials")):
        said = said.replace(what, value)
    environ = dict(pair.split("=", 1) for pair in said.split())
    (tmp_path / "offbeat.toml").write_text(
        '[security]\nprotocol = "SASL_SSL"\nmechanism = "SCRAM-SHA-512"\nuser = "offbeat"\n'
    )
    assert environ.items() >= HUGE_PAGES.items()
    settings = load_settings({}, environ, tmp_path)
    assert settings.metrics == "127.0.0.1:9464"
    assert settings.state_dir == Path("/var/lib/offbeat/9464")
    assert settings.security.password_file == Path("/run/credentials/kafka-password")
    assert told_in(UNIT)["StateDirectory"] == "offbeat/%i"
    assert told_in(files[1])["LoadCredential"].startswith("kafka-password:")
