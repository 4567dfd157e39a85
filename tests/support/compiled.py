"""The packages as a compiled wheel has them (`deploy/compiled_wheel.py`), built once into `.cache/compiled`.

A process that has `environment()` runs them; the one that asks goes on with the sources.
"""

import fcntl
import hashlib
import os
import runpy
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "deploy" / "compiled_wheel.py"
_CACHE = ROOT / ".cache" / "compiled"
_KEPT = 4
"""Builds of so many versions of the sources stay, those used last: worktrees may share the folder."""
_SECONDS = 900.0


def missing() -> str | None:
    """What is needed to compile and not here, and how to get it."""
    reason: str | None = runpy.run_path(str(PROGRAM))["fault"]()
    return reason


def compiled() -> Path:
    """The folder that holds the compiled packages, where nothing is missing."""
    home = _CACHE / _digest()
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
                _build(Path(folder))
                (Path(folder) / "packages").rename(home)  # whole or not at all
        os.utime(home)
        homes = sorted((path for path in _CACHE.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
        for old in homes[:-_KEPT]:
            rmtree(old)
    return home


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`environ` for a process that runs the compiled packages, wherever it is started."""
    # or `python -m` would look into the working directory first, which may be the project's
    return {**environ, "PYTHONPATH": f"{compiled()}{os.pathsep}{ROOT}", "PYTHONSAFEPATH": "1"}


def _digest() -> str:
    """Of all that a build depends on."""
    found = hashlib.sha256(f"{sys.version} {version('mypy')} {version('setuptools')}".encode())
    sources = (path for package in ("tables", "agents", "streams") for path in (ROOT / package).rglob("*.py"))
    for path in sorted([*sources, PROGRAM, ROOT / "pyproject.toml"]):
        found.update(f"\n{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:20]


def _build(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, folder], capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
