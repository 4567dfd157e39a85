"""compose.yaml: read by Docker Compose itself; what its services are told is tried on what can be had of them here."""

import http.server
import json
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.rulebook.rules import load_rules
from streams import __version__
from streams.brokers.child import Child
from streams.brokers.embedded import free_port, wait_for_broker
from streams.resolve import load_settings
from streams.worker import _STOP_SECONDS
from tests.support.maven import jars
from tests.support.node import Java
from tests.support.programs import program
from tests.support.prometheus import Prometheus
from tests.support.workers import ROOT, offbeat, running

DEPLOY = ROOT / "deploy"
KAFKA = "4.1.0"
OURS = ("topics", "worker", "load")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """As Docker Compose understands them, those of all profiles."""
    command = [program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "--profile", "load", "config"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


def environment(service: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = service["environment"]
    return found


# --- what it says ----------------------------------------------------------------------------------------------------


def test_everything_is_there_and_only_load_must_be_asked_for(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {*OURS, "kafka", "redis", "prometheus", "alertmanager", "grafana"}
    assert [name for name, service in services.items() if service.get("profiles")] == ["load"]
    assert services["worker"]["deploy"]["replicas"] == 2


def test_nothing_is_open_to_other_machines(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_nobody_has_more_rights_than_it_takes(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
    assert all(services[name]["read_only"] for name in OURS)


def test_what_is_mounted_exists(services: dict[str, dict[str, Any]]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    bound = [mount for mount in mounts if mount["type"] == "bind"]
    assert len(bound) > 8
    assert [mount["source"] for mount in bound if not Path(mount["source"]).exists()] == []
    assert all(mount["read_only"] for mount in bound)


def test_images_are_pinned(services: dict[str, dict[str, Any]]) -> None:
    images = {name: service["image"] for name, service in services.items()}
    assert {images.pop(name) for name in OURS} == {f"offbeat:{__version__}"}
    assert all(re.search(r":v?\d+\.\d+", image) for image in images.values())


def test_settings_of_workers_are_settings(services: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    for name in OURS:
        load_settings({}, environment(services[name]), tmp_path)
    load_rules(DEPLOY / "compose" / "rules.toml")


def test_a_worker_is_given_the_time_that_it_needs_to_stop(services: dict[str, dict[str, Any]]) -> None:
    seconds = float(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds > _STOP_SECONDS + 2


# --- what its services are told --------------------------------------------------------------------------------------


def test_prometheus_takes_its_configuration(
    services: dict[str, dict[str, Any]], prometheus_programs: Path, tmp_path: Path
) -> None:
    check(prometheus_programs / "promtool", "check", "config", str(mounted(services["prometheus"], tmp_path)))


def test_alertmanager_takes_its_configuration(amtool: Path) -> None:
    check(amtool, "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml"))


@pytest.mark.parametrize(("severity", "whom"), [("critical", "page"), ("warning", "office"), ("info", "nobody")])
def test_alerts_go_where_their_severity_says(amtool: Path, severity: str, whom: str) -> None:
    assert receiver(amtool, severity=severity) == whom


def receiver(amtool: Path, **labels: str) -> str:
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    told = (f"{name}={value}" for name, value in labels.items())
    return check(amtool, "config", "routes", "test", f"--config.file={file}", *told).strip()


@contextmanager
def in_the_place_of_alertmanager(alerts: "queue.Queue[dict[str, str]]") -> Iterator[str]:
    """Where Prometheus can tell alerts; their labels are put into `alerts`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/api/v2/alerts":
                for alert in told:
                    alerts.put(alert["labels"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_prometheus_tells_alertmanager(
    services: dict[str, dict[str, Any]], prometheus_programs: Path, amtool: Path, tmp_path: Path
) -> None:
    """That no worker answers, since nobody here knows the name by which they are found; sooner than in a minute."""
    alerts: queue.Queue[dict[str, str]] = queue.Queue()
    with in_the_place_of_alertmanager(alerts) as address:
        config = mounted(services["prometheus"], tmp_path)
        config.write_text(config.read_text().replace("alertmanager:9093", address).replace("5s", "1s"))
        rules = tmp_path / "alerts.yml"
        # not at once: as long as it has not found Alertmanager, it tells nobody, and again only a minute later
        rules.write_text(rules.read_text().replace("for: 1m", "for: 8s"))
        with Prometheus(prometheus_programs, config):
            labels = alerts.get(timeout=60)
    assert labels["alertname"] == "OffbeatAllDown"
    assert receiver(amtool, **labels) == "page"


def mounted(service: dict[str, Any], folder: Path) -> Path:
    """Prometheus' configuration, copied with the files beside it, as the container has them."""
    for mount in service["volumes"]:
        if mount["type"] == "bind":
            (folder / Path(mount["target"]).name).write_text(Path(mount["source"]).read_text())
    return folder / "prometheus.yml"


def check(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_grafana_is_given_the_dashboards_and_their_source(services: dict[str, dict[str, Any]]) -> None:
    mounts = {mount["target"]: Path(mount["source"]) for mount in services["grafana"]["volumes"]}
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/offbeat.yml").read_text())["providers"]
    assert mounts[provider["options"]["path"]] == DEPLOY / "grafana" / "dashboards"
    home = Path(environment(services["grafana"])["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounts[str(home.parent)] / home.name).exists()
    given, usual = (
        yaml.safe_load(file.read_text())["datasources"]
        for file in (
            mounts["/etc/grafana/provisioning/datasources/prometheus.yml"],
            DEPLOY / "grafana/provisioning/datasources/prometheus.yml",
        )
    )
    assert [source["uid"] for source in given] == [source["uid"] for source in usual]
    assert given[0]["url"] == "http://prometheus:9090"


# --- its broker, for real --------------------------------------------------------------------------------------------


@pytest.fixture
def its_kafka(java: None, services: dict[str, dict[str, Any]], tmp_path: Path) -> Iterator[str]:  # noqa: ARG001
    """Apache Kafka with what the container is told, as the image turns it into properties; where it answers."""
    told = environment(services["kafka"])
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA}"
    ports = {port: str(free_port()) for port in ("19092", "9092", "29093")}
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): here(value, ports)
        for name, value in told.items()
        if name.startswith("KAFKA_")
    }
    properties["log.dirs"] = str(tmp_path / "data")
    settings = tmp_path / "server.properties"
    settings.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    kafka = Java(jars(KAFKA), "512m")
    check(*kafka.command("kafka.tools.StorageTool", "format", "-t", told["CLUSTER_ID"], "-c", str(settings)))
    child = Child(kafka.command("kafka.Kafka", str(settings)), leavings=tmp_path / "data")
    try:
        wait_for_broker(child, int(ports["9092"]), told["CLUSTER_ID"], 60)
        yield f"127.0.0.1:{ports['9092']}"
    finally:
        child.stop()


def here(value: str, ports: dict[str, str]) -> str:
    """An address of the container, on this machine and free ports of it."""
    value = re.sub(r"(?<=[@/])(kafka)?(?=:\d)", "127.0.0.1", value)
    return re.sub(r":(\d+)\b", lambda found: f":{ports.get(found[1], found[1])}", value)


def test_its_kafka_takes_transactions_and_doctor_is_content(
    its_kafka: str, services: dict[str, dict[str, Any]]
) -> None:
    told = {**environment(services["worker"]), "OFFBEAT_BROKERS": its_kafka, "OFFBEAT_REDIS": ""}
    told |= {"OFFBEAT_RULES": str(DEPLOY / "compose" / "rules.toml"), "OFFBEAT_METRICS": f"127.0.0.1:{free_port()}"}
    assert offbeat(*services["topics"]["command"], environ=told).returncode == 0
    doctor = offbeat("doctor", environ=told)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    with running(told):
        pass
