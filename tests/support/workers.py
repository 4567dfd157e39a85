"""A worker as a process of its own: start it with settings, wait until it is ready, look at it, stop it."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from streams import __main__ as entry
from streams.brokers.embedded import EmbeddedBroker, free_port
from streams.brokers.topics import create
from streams.resolve import load_settings
from streams.settings import Settings
from tests.support.processes import Running
from tests.support.topics_io import Broker, Send, event

ROOT = Path(entry.__file__).parent.parent
READY = "offbeat worker ready"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def environment(broker: Broker | str, prefix: str, **settings: str) -> dict[str, str]:
    """The OFFBEAT_* variables of workers and commands that go together: on the embedded broker at least once.

    Keywords are settings by their lower-case names (`clock="event"`).
    """
    embedded = isinstance(broker, EmbeddedBroker)
    found = {
        "brokers": broker if isinstance(broker, str) else broker.address,
        "prefix": prefix,
        "delivery": "at_least_once" if embedded else "exactly_once",
        "session_timeout": "1s" if embedded else "6s",
        "partitions": "2",
        "refit": "off",
        **settings,
    }
    return {f"OFFBEAT_{name.upper()}": value for name, value in found.items()}


def rules_of_a_minute(folder: Path, *, views: int = 2) -> str:
    """A rules file in `folder` by which carts, checkouts and `views` are told a minute later, the least there is."""
    file = folder / "rules.toml"
    after = "".join(f'["{kind}.abandoned"]\nafter = "1m"\n' for kind in ("cart", "checkout", "browse"))
    file.write_text(f"{after}views = {views}\n")
    return str(file)


def process_environment(environ: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OFFBEAT_")}
    return {**ours, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environ}


def offbeat(*arguments: str, environ: Mapping[str, str], seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, in a directory without a settings file."""
    with tempfile.TemporaryDirectory(prefix="offbeat-test-") as folder:
        return subprocess.run(
            [sys.executable, "-m", "streams", *arguments],
            env=process_environment(environ),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )


@dataclass(frozen=True)
class Deployment:
    """Topics of one test, and the environment of workers and commands that use them."""

    broker: Broker
    environ: dict[str, str]

    @property
    def settings(self) -> Settings:
        return load_settings({}, environ=self.environ)

    def topic(self, name: str) -> str:
        """The full name of a topic of the contract."""
        return self.settings.topic(name)

    def viewed(self, customer: str, at: int, event_id: str) -> Send:
        """A product is looked at: the shortest of all events."""
        return event(self.topic("carts"), customer, at, "product.viewed", event_id=event_id, product_id="p")


def deploy(broker: Broker, **settings: str) -> Deployment:
    """Make the topics of a deployment that nobody else has; keywords as for `environment`."""
    deployment = Deployment(broker, environment(broker, f"t{secrets.token_hex(4)}.", **settings))
    create(deployment.settings)
    return deployment


class Worker(Running):
    """`offbeat worker`, running. `with Worker(environ) as worker:`; at the end of the block nothing is left of it."""

    program: tuple[str, ...] = ("-m", "streams")
    """What Python is to run."""

    def __init__(self, environ: Mapping[str, str], **settings: str) -> None:
        """Start it, on a metrics port of its own unless one is given; keywords as for `environment`."""
        metrics = environ.get("OFFBEAT_METRICS", f"127.0.0.1:{free_port()}")
        told = {f"OFFBEAT_{name.upper()}": value for name, value in settings.items()}
        self.environ = {"OFFBEAT_METRICS": metrics, **environ, **told}
        super().__init__([*self.program, "worker"], process_environment(self.environ))

    @property
    def account(self) -> str:
        """All that it has said, and what its metrics port says now."""
        try:
            health, metrics = self.get("/health")[1], self.get("/metrics")[1].splitlines()
        except OSError as error:
            return f"{self.told}\n--- no metrics: {error}"
        numbers = "\n".join(line for line in metrics if line.startswith("offbeat_") and not line.endswith(" 0.0"))
        return f"{self.told}\n--- health\n{health}\n--- metrics\n{numbers}"

    def wait_ready(self, seconds: float = 60.0) -> Self:
        """Return when it has said that it is ready."""
        self.wait_until(lambda: READY in self.output.splitlines(), seconds)
        return self

    # -- what its metrics port says

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of an answer of its metrics port."""
        url = f"http://{self.environ['OFFBEAT_METRICS']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def health(self) -> Any:
        """What /health tells; its status says whether that is good."""
        status, text = self.get("/health")
        told = json.loads(text)
        assert status == (200 if told["healthy"] else 503)
        return told

    @property
    def phase(self) -> str:
        """The phase that /health tells; empty as long as nothing answers."""
        try:
            return str(self.health()["phase"])
        except OSError:
            return ""

    def samples(self) -> Samples:
        """Every sample of /metrics, by name and labels."""
        status, text = self.get("/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 when there is none."""
        wanted = labels.items()
        return sum(value for (found, has), value in self.samples().items() if found == name and wanted <= has)

    def by(self, name: str, label: str) -> dict[str, float]:
        """The samples of this name, summed by one label; those that are 0 left out."""
        found: dict[str, float] = {}
        for (sample, labels), value in self.samples().items():
            if sample == name and value:
                key = dict(labels)[label]
                found[key] = found.get(key, 0) + value
        return found

    def wait_metric(self, name: str, least: float, seconds: float = 60.0, **labels: str) -> None:
        """Return when the metric is at least this."""
        self.wait_until(lambda: self.metric(name, **labels) >= least, seconds)


@contextlib.contextmanager
def running(environ: Mapping[str, str], **settings: str) -> Iterator[Worker]:
    """A worker that is ready; at the end of the block it is stopped, and must exit with 0."""
    with Worker(environ, **settings) as worker:
        worker.wait_ready()
        yield worker
        assert worker.stop() == 0, worker.told
