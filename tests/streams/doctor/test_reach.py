"""Brokers that cannot be reached, or do not let us in."""

import json
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from streams.access.security import Security
from streams.brokers import embedded
from streams.brokers.child import Child
from streams.brokers.embedded import EmbeddedBroker, free_port
from streams.doctor import reach
from streams.doctor.check import Check
from streams.doctor.patient import Patient
from streams.settings import Settings
from tests.streams.access.test_access_rules import enter, listed
from tests.streams.doctor.finding import failed, finds, note
from tests.support.certificates import Authority, Certificate
from tests.support.secured import PASSWORD, SecuredKafka, write_token
from tests.support.workers import Deployment, deploy, offbeat

pytestmark = pytest.mark.usefixtures("own_directory")


def broker(settings: Settings) -> Check:
    """The first one of the settings."""
    found = next(reach.brokers(settings))
    note(found)
    return found


@pytest.fixture(scope="module")
def to(secured_kafka: SecuredKafka) -> Deployment:
    return deploy(secured_kafka)


def secured(kafka: SecuredKafka, to: Deployment, **security: str) -> Settings:
    return Deployment(kafka, kafka.environment(to, **security)).settings


@finds("Brokers that are away", "broker")
def test_what_listens_there_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = broker(Settings(brokers=f"127.0.0.1:{silent.getsockname()[1]}"))
    assert not told.ok
    assert "does not answer as a Kafka broker with PLAINTEXT" in told.detail


@finds("Brokers by addresses that cannot be reached", "advertised addresses")
def test_an_address_that_the_cluster_names_and_nobody_reaches(embedded_broker: EmbeddedBroker) -> None:
    """A broker that knows itself by another port than the one where it is found."""
    assert embedded_broker.pid is not None  # else its program cannot be run here, and says so
    port, nowhere = free_port(), free_port()
    urls = ["--listener-url", f"tcp://127.0.0.1:{port}", "--advertised-listener-url", f"tcp://127.0.0.1:{nowhere}"]
    child = Child(
        [embedded._program(), "broker", "--cluster-id", "elsewhere", *urls, "--storage-engine", "memory://tansu/"],
        env={"RUST_LOG": "warn"},
    )
    try:
        embedded.wait_for_broker(child, port, "elsewhere", 30)
        told = Check("advertised addresses", *reach.advertised(Patient(Settings(brokers=f"127.0.0.1:{port}"))))
    finally:
        child.stop(signal.SIGKILL)
    note(told)
    assert (told.ok, "advertised.listeners" in told.advice) == (False, True)
    assert (
        told.detail == f"the cluster names 127.0.0.1:{nowhere} (Connection refused), which cannot be reached from here"
    )


@finds("A log-in that brokers refuse", "broker")
@pytest.mark.parametrize("wrong", ["password", "user", "mechanism"])
def test_a_log_in_that_is_refused(secured_kafka: SecuredKafka, to: Deployment, wrong: str) -> None:
    login = {"mechanism": "SCRAM-SHA-256", "user": "alice", "password": PASSWORD}
    changed = {"password": "wrong-one", "user": "bob", "mechanism": "PLAIN"}[wrong]
    password = "wrong-one" if wrong == "mechanism" else login["password"]
    told = broker(secured(secured_kafka, to, **{**login, "password": password, wrong: changed}))
    assert not told.ok
    assert told.detail.startswith(f"security: the brokers refuse user {'bob' if wrong == 'user' else 'alice'}: ")
    assert told.advice == "check user and password in OFFBEAT_SECURITY_*"
    assert "wrong-one" not in str(told)


@finds("A token that is none", "broker")
def test_a_token_that_has_expired(secured_kafka: SecuredKafka, to: Deployment, tmp_path: Path) -> None:
    file = write_token(tmp_path / "token", "alice", -5)
    told = broker(secured(secured_kafka, to, mechanism="OAUTHBEARER", token_file=file))
    assert not told.ok
    assert told.detail.startswith("security.token_file: the token expired ")
    assert told.advice


@finds("Certificates that are not accepted", "broker")
def test_certificates_of_the_brokers(secured_kafka: SecuredKafka, to: Deployment, tmp_path: Path) -> None:
    login = {"mechanism": "PLAIN", "user": "alice", "password": PASSWORD}
    told = broker(secured(secured_kafka, to, **login, ca=str(Authority(tmp_path).ca)))
    assert "the certificate of the brokers is not accepted: " in told.detail
    assert told.advice.startswith("set OFFBEAT_SECURITY_CA to")
    environ = secured_kafka.environment(to, **login)
    environ["OFFBEAT_BROKERS"] = secured_kafka.login.replace("127.0.0.1", "localhost")
    told = broker(Deployment(secured_kafka, environ).settings)
    assert "certificate is not valid for 'localhost'" in told.detail
    assert told.advice == "name brokers in OFFBEAT_BROKERS as their certificates do"
    told = broker(replace(secured(secured_kafka, to, protocol="SSL"), brokers=secured_kafka.mutual))
    assert "do not accept this client's certificate" in told.detail


@finds("Certificates that are not accepted", "broker")
def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with tls(authority.sign("broker", "IP:127.0.0.1", over=True)) as place:
        told = broker(Settings(brokers=place, security=Security(protocol="SSL", ca=authority.ca)))
    assert not told.ok
    assert told.detail == "security: the certificate of the brokers is not accepted: certificate has expired"
    assert told.advice == "renew it, or let NTP set this machine's clock"


@contextmanager
def tls(certificate: Certificate) -> Iterator[str]:
    """Something that shows this certificate to whoever comes, and says no more; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def of_command(environ: dict[str, str]) -> dict[str, Check]:
    """What the command finds, in a process of its own: clients that are refused leave TLS connections open."""
    done = offbeat("doctor", "--json", "--metrics", "", environ=environ)
    assert done.stderr == ""
    told = {check["name"]: Check(**check) for check in json.loads(done.stdout)["checks"]}
    note(*told.values())
    return told


@finds("Access rules that are missing", "rights")
@finds("Access rules that are missing", "topics")
def test_rules_that_are_missing(secured_kafka: SecuredKafka, to: Deployment, tmp_path: Path) -> None:
    """One that hides a topic, and one that does not: it may be written and not be read."""
    prefix = to.settings.prefix
    every = [*listed("worker"), ("group", "offbeat-doctor", "Read")]
    rules = [rule for rule in every if rule != ("topic", "offbeat-changelog", "Read")]
    told = of_command(enter(secured_kafka, to, rules, tmp_path, "a"))
    assert "rights" in failed(told)
    assert told["rights"].detail.endswith(f"the owner of the token of token_file: Read {prefix}offbeat-changelog")
    rules = [rule for rule in every if rule != ("topic", "offbeat-parameters", "Read")]
    told = of_command(enter(secured_kafka, to, rules, tmp_path, "c"))
    assert told["rights"].detail.endswith(f"the owner of the token of token_file: Read {prefix}offbeat-parameters")
    rules = [rule for rule in every if rule[1] != "carts"]
    told = of_command(enter(secured_kafka, to, rules, tmp_path, "b"))
    assert "topics" in failed(told)
    assert told["topics"].detail.startswith(f"{prefix}carts is missing, or the brokers do not let")
