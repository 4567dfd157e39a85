"""The commands of deploy/README.md: each is run, as far as it goes without what it would start."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.test_chart import OLDEST
from tests.support.image import instructions
from tests.support.programs import program
from tests.support.workers import ROOT

PAGE = (ROOT / "deploy" / "README.md").read_text()


def commands() -> Iterator[list[str]]:
    """The indented lines of the page, those that go on put together, as words."""
    for line in re.sub(r" \\\n\s+", " ", PAGE).splitlines():
        if line.startswith("    "):
            yield shlex.split(line)


def of(*words: str) -> list[list[str]]:
    found = [each[len(words) :] for each in commands() if each[: len(words)] == list(words)]
    assert found, words
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_kind_of_command_is_tried_here() -> None:
    tried = {"docker", "helm", "promtool", "amtool", "make", "install", "systemctl", "python3", "apt-get"}
    assert {words[0] for words in commands()} == tried | {"/opt/offbeat/bin/pip", "/opt/offbeat/bin/python"}


def test_files_that_commands_name_are_there() -> None:
    named = {word for words in commands() for word in re.findall(r"\bdeploy/[\w./@*-]+", " ".join(words))}
    assert len(named) > 8
    assert [name for name in named if not list(ROOT.glob(name))] == []


@pytest.mark.parametrize("words", of("docker", "compose"), ids=" ".join)
def test_compose_knows_what_it_is_told(words: list[str]) -> None:
    """Without a daemon nothing can be started: its options are those of its help, its services those of the file."""
    split = next(n for n, word in enumerate(words) if word in ("up", "exec", "down"))
    known = run(program("docker-compose"), *words[:split], words[split], "--help")
    for option in (word for word in words[split:] if word.startswith("--")):
        assert f"{option} " in known, option
    services = yaml.safe_load(run(program("docker-compose"), *words[:split], "config"))["services"]
    for word in words[split + 1 :]:
        named = re.match(r"^(\w+)=\d+$", word)
        assert named is None or named[1] in services
    if words[split] == "exec":
        assert words[split + 1] in services


@pytest.mark.parametrize("words", of("docker", "build"), ids=" ".join)
def test_the_image_is_built_from_the_root_with_arguments_that_it_has(words: list[str]) -> None:
    assert words[:2] == ["-f", "deploy/Dockerfile"]
    assert words[-1] == "."
    known = {rest.split("=")[0] for name, rest in instructions(ROOT / words[1]) if name == "ARG"}
    given = {words[n + 1].split("=")[0] for n, word in enumerate(words) if word == "--build-arg"}
    assert given <= known


@pytest.mark.parametrize("words", of("helm"), ids=" ".join)
def test_the_chart_takes_the_values_of_the_page(helm: Path, words: list[str]) -> None:
    given = words[words.index("shop") :]
    resources = list(yaml.safe_load_all(run(helm, "template", *given, "--kube-version", OLDEST)))
    (worker,) = [each for each in resources if each and each["kind"] == "StatefulSet"]
    assert worker["metadata"]["name"] == "shop-offbeat"
    assert worker["spec"]["template"]["spec"]["containers"][0]["image"].startswith("REGISTRY/offbeat:")


def test_the_checks_of_the_page_pass(prometheus_programs: Path, amtool: Path) -> None:
    for words in of("promtool"):
        files = [str(path) for word in words for path in sorted(ROOT.glob(word)) if "/" in word]
        run(prometheus_programs / "promtool", *(word for word in words if "/" not in word), *files)
    for words in of("amtool"):
        run(amtool, *words)


def test_one_machine_gets_what_the_image_has() -> None:
    """The same steps as in the Dockerfile, which test_image.py runs; Debian's Python has its headers apart."""
    steps = " ".join(rest for name, rest in instructions(ROOT / "deploy" / "Dockerfile") if name == "RUN")
    for words in of("/opt/offbeat/bin/pip", "install"):
        flags = " ".join(word.removeprefix("deploy/") for word in words)
        assert flags in steps, flags
    for words in of("/opt/offbeat/bin/python"):
        assert f"/opt/offbeat/bin/python {' '.join(words)}" in steps
    (installed,) = of("apt-get", "install", "--yes")
    assert installed[-1] == "python3-dev"
    assert f"--no-install-recommends {' '.join(installed[:-1])}" in steps
