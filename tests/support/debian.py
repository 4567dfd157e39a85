"""Programs of Debian's packages for tests, fetched into `.cache/debian` under the project's root unless installed."""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "debian"
_FETCH_SECONDS = 300.0


class FetchError(RuntimeError):
    """The programs are not here, and cannot be had; the message says why."""


def programs(package: str, *names: str) -> Path:
    """The folder with these programs of a package. Raises FetchError."""
    found = [shutil.which(name) for name in names]
    if found[0] is not None and None not in found:
        return Path(found[0]).parent
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several at once would fetch it into each other's folder
        home = _CACHE / package
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
                _fetch(package, Path(folder))
                (Path(folder) / "root").rename(home)  # whole or not at all
    return home / "usr" / "bin"


def _fetch(package: str, folder: Path) -> None:
    """Unpack the package into `folder`/root. Needs no rights: nothing is installed."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise FetchError(f"no {package}, and no {program} to fetch Debian's: install {package}")
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User="]
    download = ["download", package]
    if not _runs([*apt, *download], folder):  # its lists may never have been fetched: then into a folder of our own
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "cache" / "archives" / "partial").mkdir(parents=True)
        apt += ["-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]
        if not (_runs([*apt, "update"], folder) and _runs([*apt, *download], folder)):
            raise FetchError(f"no {package}, and apt-get could not fetch Debian's: apt-get install {package}")
    (file,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(file), str(folder / "root")], check=True, timeout=_FETCH_SECONDS)


def _runs(command: Sequence[str], folder: Path) -> bool:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=_FETCH_SECONDS)
    return done.returncode == 0
