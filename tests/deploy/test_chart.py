"""The Helm chart: what it renders is what Kubernetes takes, what a worker takes, and what it says it is."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from agents.rulebook.kinds import Choice
from streams import __version__
from streams.resolve import KINDS, load_settings
from streams.settingkinds import Word
from streams.settings import Settings
from streams.worker import _STOP_SECONDS
from tests.support.workers import ROOT

CHART = ROOT / "deploy" / "helm" / "offbeat"
OLDEST = "1.27.0"
FOREIGN = {"ServiceMonitor", "PrometheusRule", "ScaledObject"}
OWN_KEYS = {
    "partitions",
    "state_dir",
    "redis",
    "redis_password_file",
    "redis_sentinels",
    "metrics",
    "rules",
    "parameters",
}
"""Settings for which the chart has values of its own."""
SECRET_KEYS = {"password", "password_file", "token_file", "token_command", "ca", "certificate", "key"}
EVERYTHING: dict[str, Any] = {
    "partitions": 12,
    "settings": {
        "brokers": "a:9092,b:9092",
        "prefix": "shop1.",
        "group": "crew",
        "replication": 3,
        "dead_letter_share": 0.2,
        "session_timeout": "20s",
        "security": {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "user": "offbeat"},
        "topics": {"purchases": "orders", "dead_letters": "dead"},
    },
    "rules": '["cart.abandoned"]\nafter = "2h"\n',
    "parameters": "{}",
    "secrets": {
        "security": {"name": "kafka-login", "passwordKey": "password", "caKey": "ca.crt"},
        "redis": {"name": "redis-login"},
    },
    "autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 12, "authentication": "kafka-login"},
    "monitoring": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prom"}},
        "prometheusRule": {"enabled": True},
        "runbook": "https://example.org/RUNBOOK.md",
    },
    "image": {"digest": f"sha256:{'0' * 64}", "pullSecrets": [{"name": "registry"}]},
    "podLabels": {"team": "crm"},
    "podAnnotations": {"a": "b"},
    "env": [{"name": "TZ", "value": "UTC"}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "high",
    "serviceAccount": {"annotations": {"a": "b"}},
    "networkPolicy": {"brokersTo": [{"podSelector": {}}], "redisTo": [{"podSelector": {}}]},
}
Resource = dict[str, Any]
Render = Callable[[dict[str, Any]], list[Resource]]


@pytest.fixture
def told(helm: Path, tmp_path: Path) -> Callable[[dict[str, Any]], "subprocess.CompletedProcess[str]"]:
    """`helm template` with values."""

    def run(values: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        command = [str(helm), "template", "shop1", str(CHART), "--kube-version", OLDEST, "-f", str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def render(told: Callable[[dict[str, Any]], "subprocess.CompletedProcess[str]"]) -> Render:
    """The resources that come of values."""

    def run(values: dict[str, Any]) -> list[Resource]:
        done = told(values)
        assert done.returncode == 0, done.stderr
        return [found for found in yaml.safe_load_all(done.stdout) if found]

    return run


def of(kind: str, resources: list[Resource]) -> Resource:
    (found,) = [each for each in resources if each["kind"] == kind]
    return found


def container(workload: Resource) -> Resource:
    found: Resource
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return found


def variables(workload: Resource) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(workload)["env"] if "value" in each}


# --- what Helm and Kubernetes say of it ------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_helm_has_nothing_against_it(helm: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    command = [str(helm), "lint", "--strict", "--kube-version", OLDEST, "-f", str(tmp_path / "values.yaml"), str(CHART)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_kubernetes_takes_all_of_it(render: Render, values: dict[str, Any], version: str) -> None:
    resources = render(values)
    kinds = {each["kind"] for each in resources}
    assert kinds >= {"StatefulSet", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "Job"}
    assert (kinds >= FOREIGN) == bool(values)
    for resource in resources:
        if resource["kind"] not in FOREIGN:
            kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replica": 2}, "replica"),
        ({"settings": {}, "replicas": "two"}, "replicas"),
        ({"settings": {"brokers": "kafka"}}, "brokers"),
        ({"settings": {"broker": "kafka:9092"}}, "broker"),
        ({"settings": {"security": {"password": "hunter2"}}}, "password"),
        ({"settings": {"delivery": "twice"}}, "delivery"),
        ({"settings": {"redis": "redis://:hunter2@redis"}}, "redis"),
        ({"redis": {"url": "redis://:hunter2@redis"}}, "redis"),
        ({"terminationGracePeriodSeconds": 5}, "terminationGracePeriodSeconds"),
        ({"fullnameOverride": "worker"}, "fullnameOverride"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"partitions": 8, "autoscaling": {"enabled": True, "maxReplicas": 3}}, "autoscaling.maxReplicas: 3"),
        ({"partitions": 8, "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 8}}, "minReplicas: 3"),
    ],
)
def test_wrong_values_are_refused_by_name(
    told: Callable[[dict[str, Any]], "subprocess.CompletedProcess[str]"], values: dict[str, Any], named: str
) -> None:
    done = told(values)
    assert done.returncode != 0
    assert named in done.stderr


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


# --- what a worker says of it ----------------------------------------------------------------------------------------


def test_settings_of_values_are_the_settings_that_there_are() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["properties"]
    found = {
        (name, inner) if "properties" in told else (name,): (told.get("properties") or {"": told}).get(inner, told)
        for name, told in schema.items()
        for inner in told.get("properties", [""])
    }
    wanted = {key for key in KINDS if key[0] not in OWN_KEYS and key[-1] not in SECRET_KEYS}
    assert set(found) == wanted
    for key, told in found.items():
        kind = KINDS[key]
        if isinstance(kind, Choice | Word):
            assert told["enum"] == list(kind.words), key


@pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
def test_a_worker_understands_its_variables(render: Render, tmp_path: Path, kind: str) -> None:
    settings = settings_of(of(kind, render(EVERYTHING)), tmp_path)
    assert settings.broker_list == ["a:9092", "b:9092"]
    assert settings.group_id == "shop1.crew"
    assert settings.replication == 3
    assert settings.dead_letter_share == 0.2
    assert settings.session_timeout == 20_000
    assert settings.sources[1:] == ("shop1.orders", "shop1.carts")
    assert settings.topic("dead_letters") == "shop1.dead"
    assert settings.security.mechanism == "SCRAM-SHA-512"
    assert settings.security.password_file == Path("/run/secrets/offbeat/password")
    assert settings.security.ca == Path("/run/secrets/offbeat/ca.crt")
    if kind == "Job":
        assert settings.partitions == 12
    else:
        assert settings.rules == Path("/etc/offbeat/rules.toml")


def settings_of(workload: Resource, folder: Path) -> Settings:
    return load_settings({}, variables(workload), folder)


def test_rules_and_parameters_are_files_and_a_change_of_them_replaces_workers(render: Render) -> None:
    resources = render(EVERYTHING)
    (files,) = [each for each in resources if each["kind"] == "ConfigMap" and "rules.toml" in each["data"]]
    assert files["data"] == {"rules.toml": EVERYTHING["rules"], "parameters.json": EVERYTHING["parameters"]}
    marks = [
        of("StatefulSet", each)["spec"]["template"]["metadata"]["annotations"]["offbeat/files"]
        for each in (resources, render({**EVERYTHING, "parameters": "{ }"}))
    ]
    assert marks[0] != marks[1]


def test_secrets_come_by_reference(render: Render) -> None:
    worker = of("StatefulSet", render(EVERYTHING))
    (redis,) = [each for each in container(worker)["env"] if each["name"] == "OFFBEAT_REDIS"]
    assert redis["valueFrom"] == {"secretKeyRef": {"name": "redis-login", "key": "url"}}
    volumes = {each["name"]: each for each in worker["spec"]["template"]["spec"]["volumes"]}
    assert volumes["secrets"]["secret"] == {"secretName": "kafka-login", "defaultMode": 0o440}
    assert not [each for each in render(EVERYTHING) if each["kind"] == "Secret"]


def test_redis_by_a_url_a_password_and_sentinels_of_their_own(render: Render, tmp_path: Path) -> None:
    sentinels = {"redis": {"url": "rediss://shop/1", "sentinels": "s1:26379, s2:26379,s3:26380"}}
    secret = {"secrets": {"redis": {"name": "redis-login", "passwordKey": "redis-password"}}}
    resources = render({**sentinels, **secret})
    worker = of("StatefulSet", resources)
    settings = settings_of(worker, tmp_path)
    assert (settings.redis, settings.redis_sentinels) == ("rediss://shop/1", "s1:26379,s2:26379,s3:26380")
    assert settings.redis_password_file == Path("/run/secrets/redis/redis-password")
    (mounted,) = [each for each in container(worker)["volumeMounts"] if each["name"] == "redis"]
    assert mounted["mountPath"] == "/run/secrets/redis"
    (volume,) = [each for each in worker["spec"]["template"]["spec"]["volumes"] if each["name"] == "redis"]
    assert volume["secret"]["secretName"] == "redis-login"
    (way,) = of("NetworkPolicy", resources)["spec"]["egress"][2:]
    assert [each["port"] for each in way["ports"]] == [6379, 26379, 26380]
    load_settings({}, variables(of("Job", resources)), tmp_path)  # which needs no Redis
    assert [each["port"] for each in of("NetworkPolicy", render(EVERYTHING))["spec"]["egress"][2]["ports"]] == [6379]


def test_a_worker_has_the_time_that_it_needs_to_stop(render: Render) -> None:
    assert (
        of("StatefulSet", render({}))["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > _STOP_SECONDS + 2
    )


# --- what it says it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
def test_pods_are_restricted(render: Render, kind: str) -> None:
    """As the pod security standard of that name has it, and without a way to write or to talk to Kubernetes."""
    workload = of(kind, render({}))
    pod, has = workload["spec"]["template"]["spec"], container(workload)["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert has == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {kind for volume in pod["volumes"] for kind in set(volume) - {"name"}} <= {"emptyDir", "configMap", "secret"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["automountServiceAccountToken"] is False


def test_workers_are_found_by_all_that_look_for_them(render: Render) -> None:
    resources = render(EVERYTHING)
    worker = of("StatefulSet", resources)
    labels = worker["spec"]["template"]["metadata"]["labels"].items()
    service = of("Service", resources)
    for wanted in (
        worker["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        of("PodDisruptionBudget", resources)["spec"]["selector"]["matchLabels"],
        of("NetworkPolicy", resources)["spec"]["podSelector"]["matchLabels"],
    ):
        assert wanted.items() <= labels
    assert worker["spec"]["serviceName"] == service["metadata"]["name"]
    monitor = of("ServiceMonitor", resources)["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert "offbeat" in service["metadata"]["name"]  # the job, by which alerts and dashboards go
    job = of("Job", resources)["spec"]["template"]["metadata"]["labels"]
    assert not service["spec"]["selector"].items() <= job.items()


def test_one_worker_at_a_time_is_replaced_when_the_one_before_is_ready(render: Render) -> None:
    spec = of("StatefulSet", render({}))["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    worker = container({"spec": spec})
    paths = {name: worker[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/live", "liveness": "/live", "readiness": "/ready"}
    assert worker["ports"] == [{"name": "metrics", "containerPort": 9464}]


def test_scaling_follows_the_lag_of_the_worker_s_own_topics_and_group(render: Render, tmp_path: Path) -> None:
    resources = render(EVERYTHING)
    worker = of("StatefulSet", resources)
    settings, scaled = settings_of(worker, tmp_path), of("ScaledObject", resources)["spec"]
    assert "replicas" not in worker["spec"]
    assert scaled["scaleTargetRef"]["name"] == worker["metadata"]["name"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (2, 12)
    ways = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert {policy["value"] for way in ways.values() for policy in way["policies"]} == {12}  # in one step
    assert {each["metadata"]["topic"] for each in scaled["triggers"]} == set(settings.sources)
    for trigger in scaled["triggers"]:
        told = trigger["metadata"]
        assert (told["consumerGroup"], told["bootstrapServers"]) == (settings.group_id, settings.brokers)
        assert told["ensureEvenDistributionOfPartitions"] == "true"
        assert all(isinstance(value, str) for value in told.values())
        assert trigger["authenticationRef"] == {"name": "kafka-login"}


def test_dashboards_and_rules_are_those_of_the_project(render: Render) -> None:
    resources = render(EVERYTHING)
    boards = [each["data"] for each in resources if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
    files = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
    assert boards == [{f"offbeat-{file.name}": file.read_text()} for file in files]
    wanted = [
        group
        for name in ("recording", "alerts")
        for group in yaml.safe_load(
            (ROOT / "deploy" / "prometheus" / f"{name}.yml")
            .read_text()
            .replace("streams/RUNBOOK.md", EVERYTHING["monitoring"]["runbook"])
        )["groups"]
    ]
    assert of("PrometheusRule", resources)["spec"]["groups"] == wanted


def test_packed_it_brings_rules_and_dashboards_along(helm: Path, tmp_path: Path, render: Render) -> None:
    """In the project they are links to where they are kept."""
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(EVERYTHING))
    subprocess.run([helm, "package", CHART, "-d", tmp_path], capture_output=True, check=True, timeout=60)
    (packed,) = tmp_path.glob("*.tgz")
    command: list[str | Path] = [
        helm,
        "template",
        "shop1",
        packed,
        "--kube-version",
        OLDEST,
        "-f",
        tmp_path / "values.yaml",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert [found for found in yaml.safe_load_all(done.stdout) if found] == render(EVERYTHING)
