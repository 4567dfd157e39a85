"""What deploy/Dockerfile makes, without containers: its steps run here, with a folder in the place of the root.

Python is the one that runs the tests, not that of the base image; what that has besides is this machine's.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_STEP_SECONDS = 600.0
_PLACES = re.compile(r"(?<![\w./-])(/(?:opt|src|etc/offbeat|var/lib/offbeat)(?=[/\s\"']|$))")
"""Absolute paths of the image."""


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, in order: name and arguments, lines that go on put together."""
    lines = [line for line in dockerfile.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


def sent(name: str, dockerignore: Path) -> bool:
    """Whether the builder gets this file of the project: the last pattern that fits it, or a folder of it, says."""
    path = Path(name)
    candidates = [str(part) for part in (path, *path.parents) if str(part) != "."]
    found = True
    for line in dockerignore.read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not pattern.startswith("#"):
            plain = pattern.removeprefix("**/")
            names = path.parts if plain != pattern else candidates
            if any(fnmatch.fnmatch(each, plain) for each in names):
                found = line.startswith("!")
    return found


@dataclass
class Image:
    """What was built below `root`, and how it is to be started."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: int = 0
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def inside(self, text: str) -> str:
        """The text, with paths of the image become paths of this machine."""
        return _PLACES.sub(lambda found: f"{self.root}{found[1]}", text)

    def program(self, name: str) -> str:
        """Where the image's PATH has this program; the base image's are Python's."""
        found = shutil.which(name, path=self.inside(self.environ["PATH"]))
        assert found is not None, f"no {name} in the image"
        return found


def build(project: Path, root: Path) -> Image:
    """Run the Dockerfile's steps. `root`: an empty folder. AssertionError with what a step said when it fails."""
    image, base, stage = Image(root), _base(root), ""
    for name, rest in instructions(project / "deploy" / "Dockerfile"):
        if name == "FROM":
            stage = rest.split(" AS ")[1] if " AS " in rest else "final"
        elif name == "RUN":
            _run(image.inside(rest), Path(image.workdir), base)
        elif name == "COPY" and stage == "build":
            *sources, target = rest.split()
            if target.endswith("/"):
                Path(image.workdir, image.inside(target)).mkdir(exist_ok=True)
            for source in sources:
                _copy(project, source, Path(image.workdir, image.inside(target)))
        elif name == "COPY":
            _own(image, rest)
        else:
            _note(image, name, rest, base)
    return image


def _note(image: Image, name: str, rest: str, base: Path) -> None:
    """What says how to start it."""
    match name:
        case "WORKDIR":
            image.workdir = image.inside(rest)
            Path(image.workdir).mkdir(parents=True, exist_ok=True)
        case "USER":
            image.user = int(rest.split(":", maxsplit=1)[0])
        case "ENV":
            for key, value in (pair.split("=", 1) for pair in shlex.split(rest)):
                image.environ[key] = image.inside(value.replace("$PATH", str(base)))
        case "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        case "CMD":
            image.command = json.loads(rest)
        case "HEALTHCHECK":
            image.health = json.loads(image.inside(rest.split(" CMD ")[1]))


def _base(root: Path) -> Path:
    """The folder of `python`, `pip` and `apt-get`, as the base image has them."""
    folder = root / "usr" / "bin"
    folder.mkdir(parents=True)
    for name, arguments in (("python", ""), ("pip", "-m pip ")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments}"$@"\n')
        program.chmod(0o755)
    nothing = folder / "apt-get"  # what Debian has is here, or the test is skipped
    nothing.write_text("#!/bin/sh\n")
    nothing.chmod(0o755)
    return folder


def _run(command: str, cwd: Path, base: Path) -> None:
    # from where pip gets packages is this machine's business, and its environment may say so
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=cwd,
        env={**environ, "PATH": f"{base}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_STEP_SECONDS,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def _copy(project: Path, name: str, target: Path) -> None:
    source, ignore = project / name, project / "deploy" / "Dockerfile.dockerignore"
    assert sent(name, ignore), f"{name} is kept back by {ignore.name}"
    if source.is_dir():

        def kept_back(folder: str, names: list[str]) -> set[str]:
            return {each for each in names if not sent(str(Path(folder, each).relative_to(project)), ignore)}

        shutil.copytree(source, target, dirs_exist_ok=True, ignore=kept_back)
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


def _own(image: Image, rest: str) -> None:
    """`COPY --from=build`: what is meant is there already; its owner may be another."""
    flags = dict(part.split("=") for part in rest.split() if part.startswith("--"))
    source, target = (part for part in rest.split() if not part.startswith("--"))
    assert source == target
    path = Path(image.inside(source))
    assert path.exists(), f"the build made no {source}"
    if "--chown" in flags and os.geteuid() == 0:
        uid, gid = (int(number) for number in flags["--chown"].split(":"))
        os.chown(path, uid, gid)
