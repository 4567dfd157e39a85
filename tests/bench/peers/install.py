"""The peers' programs, made at first use in `.cache/peers`, and again when what they are made from has changed."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.maven import available

HERE = Path(__file__).parent
_CACHE = HERE.parents[2] / ".cache" / "peers"
_SECONDS = 900.0
_PINS = {"requirements.txt": r"^{}==(\S+)", "pom.xml": r"<artifactId>{}</artifactId>\s*<version>(.+?)<"}


class PeerMissingError(RuntimeError):
    """A peer cannot be made here; one line. Measure without it."""


def python_of(system: str) -> Path:
    """The interpreter of a virtualenv with what `requirements.txt` of this peer pins. Raises PeerMissingError."""
    home = _CACHE / system
    pinned = HERE / system / "requirements.txt"
    python = home / "bin" / "python"
    if _stale(home, [pinned]):
        _run(f"no virtualenv for {system}", [sys.executable, "-m", "venv", "--clear", str(home)])
        install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        _run(f"pip could not install {system}", [str(python), *install, "-r", str(pinned)])
        _made(home, [pinned])
    return python


def classes_of(system: str) -> str:
    """The class path of a Java peer, built by its `pom.xml`. Raises PeerMissingError."""
    if reason := available():
        raise PeerMissingError(reason.replace("Apache Kafka", system))
    if shutil.which("javac") is None:
        raise PeerMissingError(f"{system} needs javac: apt-get install default-jdk-headless")
    home = _CACHE / system
    sources = sorted(path for path in (HERE / system).rglob("*") if path.is_file())
    if _stale(home, sources):
        shutil.rmtree(home, ignore_errors=True)
        maven = ["mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(HERE / system / "pom.xml"), f"-Dout={home}"]
        _run(f"Maven could not build {system}", [*maven, "compile", "dependency:copy-dependencies"])
        _made(home, sources)
    return os.pathsep.join((str(home / "classes"), str(home / "jars" / "*")))


def version_of(system: str, package: str) -> str:
    """The pinned version of a package, from `requirements.txt` or `pom.xml`."""
    for name, form in _PINS.items():
        file = HERE / system / name
        if file.exists() and (found := re.search(form.format(re.escape(package)), file.read_text(), re.MULTILINE)):
            return found[1]
    raise LookupError(f"{package} is pinned nowhere in {system}")


def _print_of(sources: list[Path]) -> str:
    told = hashlib.sha256(sys.version.encode())
    for source in sources:
        told.update(source.read_bytes())
    return told.hexdigest()


def _stale(home: Path, sources: list[Path]) -> bool:
    mark = home / "made-from"
    return not mark.exists() or mark.read_text() != _print_of(sources)


def _made(home: Path, sources: list[Path]) -> None:
    """Written last: what was broken off is made anew."""
    (home / "made-from").write_text(_print_of(sources))


def _run(trouble: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise PeerMissingError(f"{trouble} within {_SECONDS:.0f} s") from None
    if done.returncode:
        raise PeerMissingError(f"{trouble}: {_first_error(done.stdout + done.stderr)}")


def _first_error(output: str) -> str:
    """The line that says most: the first that calls itself an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["it said nothing"]
    return next((line for line in lines if "ERROR" in line), lines[-1])[:300]
