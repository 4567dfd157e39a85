"""The image: what its steps make here, run as they say. tests/support/image.py tells what stands in for what."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams import __version__
from streams.brokers.embedded import EmbeddedBroker, free_port
from tests.bench.worker import HUGE_PAGES
from tests.support.image import Image, build, instructions, sent
from tests.support.programs import program
from tests.support.workers import READY, ROOT, deploy

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PINS = re.compile(r"^([\w.-]+)==(\S+)(.*?) \\\n((?: +--hash=\S+(?: \\)?\n)+)", re.MULTILINE)

pytestmark = pytest.mark.xdist_group("image")


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_dockerfile_has_no_faults() -> None:
    done = subprocess.run([program("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_what_is_tested() -> None:
    """Its packages are those of the tests, of the same contents; nothing else."""
    tested = set(PINS.findall((ROOT / "requirements.lock").read_text()))
    installed = PINS.findall((ROOT / "deploy" / "requirements.lock").read_text())
    assert len(installed) > 30
    assert [pin[:2] for pin in installed if pin not in tested] == [], "run: make lock"


def test_the_labels_name_this_version() -> None:
    given = dict(rest.split("=", 1) for name, rest in instructions(DOCKERFILE) if name == "ARG")
    assert given["VERSION"] == __version__
    assert re.fullmatch(r"3\.1[1-3]\.\d+-slim-\w+", given["PYTHON_VERSION"])


@pytest.mark.parametrize(
    "name", [".git/config", "offbeat.toml", "deploy/offbeat.toml", "state/x", "streams/__pycache__/app.pyc", ".env"]
)
def test_the_builder_gets_no_more_than_it_needs(name: str) -> None:
    assert not sent(name, DOCKERFILE.with_name("Dockerfile.dockerignore"))


# --- what it makes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(compiler: None) -> Iterator[Image]:  # noqa: ARG001 - it may skip
    root = Path(tempfile.mkdtemp(prefix="offbeat-image-"))
    root.chmod(0o755)  # who runs in it is somebody else
    try:
        yield build(ROOT, root)
    finally:
        shutil.rmtree(root)


def user_of(image: Image, program: str) -> dict[str, Any]:
    """Who is to run it, for Popen: its user, where we may become that and it may use Python where that is here."""
    if os.geteuid() != 0:
        return {}
    found: dict[str, Any] = {"user": image.user, "group": image.user, "extra_groups": []}
    try:
        subprocess.run([program, "--help"], env=image.environ, capture_output=True, check=True, timeout=60, **found)
    except (PermissionError, subprocess.CalledProcessError):  # its libraries may be in a home that is closed
        return {}
    return found


def start(image: Image, *command: str, **environ: str) -> "subprocess.Popen[str]":
    """In its working directory, with its environment and no other."""
    program = image.program(command[0])
    return subprocess.Popen(
        [program, *command[1:]],
        env={**image.environ, **environ},
        cwd=image.workdir,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **user_of(image, program),
    )


def run(image: Image, *command: str, **environ: str) -> str:
    process = start(image, *command, **environ)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, output + errors
    return output


def files(image: Image) -> dict[Path, int]:
    """What is in it, and when it was written, but for the one folder that a worker may write to."""
    state = Path(image.environ["OFFBEAT_STATE_DIR"])
    found = (path for path in image.root.rglob("*") if state not in (path, *path.parents))
    return {path: path.lstat().st_mtime_ns for path in found}


def test_it_holds_programs_and_nothing_to_build_with(image: Image) -> None:
    names = {path.name for path in image.root.glob("opt/offbeat/lib/python*/site-packages/*")}
    assert {"streams", "agents", "tables", "faust", "msgspec"} <= names
    assert not names & {"pip", "setuptools", "mypy", "mypyc", "librt", "pathspec", "ast_serialize", "pytest", "tests"}
    assert list(image.root.glob("opt/offbeat/lib/python*/site-packages/agents/core.*.so")) != []
    assert image.environ.items() >= HUGE_PAGES.items()
    assert not [path for path in image.root.glob("opt/**/tests") if path.is_dir()]


def test_nobody_s_worker_runs_in_it_and_writes_nothing(image: Image, embedded_broker: EmbeddedBroker) -> None:
    to = deploy(embedded_broker, metrics=f"0.0.0.0:{free_port()}")
    assert image.user != 0
    before = files(image)
    run(image, "offbeat", "topics", "check", **to.environ)
    worker = start(image, *image.entrypoint, *image.command, **to.environ)
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == READY
        assert run(image, *image.health, **to.environ) == ""
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=20)
        assert worker.returncode == 0, errors
    finally:
        worker.kill()
    assert files(image) == before


def test_doctor_is_content_with_it(image: Image, embedded_broker: EmbeddedBroker) -> None:
    to = deploy(embedded_broker, metrics=f"0.0.0.0:{free_port()}")
    told = run(image, *image.entrypoint, "doctor", **to.environ)
    assert f"{image.environ['OFFBEAT_STATE_DIR']} is writable" in told
