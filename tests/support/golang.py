"""Programs that are built from Go's modules, once, into `.cache/go` under the project's root."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.debian import FetchError

HELM = "helm.sh/helm/v3/cmd/helm@v3.18.4"
_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "go"
_BUILD_SECONDS = 1800.0


def helm() -> Path:
    """Helm: the one that is installed, or built here, which takes some minutes the first time. Raises FetchError."""
    found = shutil.which("helm")
    return Path(found) if found else _built(HELM)


def _built(module: str) -> Path:
    name, version = module.rsplit("/", 1)[1].split("@")
    home = _CACHE / f"{name}-{version}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / name).exists():
            _install(module, home)
    return home / name


def _install(module: str, home: Path) -> None:
    if shutil.which("go") is None:
        raise FetchError(
            f"no {module.split('@', maxsplit=1)[0]}, and no go to build it: install Helm, or Go 1.24 or newer"
        )
    try:
        done = subprocess.run(
            ["go", "install", module],
            env={**os.environ, "GOBIN": str(home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"go did not build {module} within {_BUILD_SECONDS:.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise FetchError(f"go could not build {module}: {said[:300]}")
