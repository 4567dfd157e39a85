"""How workers and commands log in to brokers with TLS: each kind of log-in, what is refused, what changes meanwhile."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.commands import FAILURE, USAGE
from tests.support.certificates import Authority
from tests.support.invented import invented
from tests.support.oracle import assert_equal, pure
from tests.support.secured import PASSWORD, SecuredKafka, write_token
from tests.support.tokenserver import TokenServer
from tests.support.topics_io import event, now, produce
from tests.support.workers import Deployment, Worker, deploy, offbeat, running

ALICE = {"user": "alice", "password": PASSWORD}


@pytest.fixture(scope="module")
def to(secured_kafka: SecuredKafka) -> Deployment:
    return deploy(secured_kafka)


def lines_of(worker: Worker) -> list[str]:
    """What it ends with."""
    assert "Traceback" not in worker.errors, worker.told
    return [line.removeprefix("offbeat: ") for line in worker.errors.splitlines() if line.startswith("offbeat: ")]


# --- who gets in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "token_file", "token_command", "tls"])
def test_each_way_in(secured_kafka: SecuredKafka, to: Deployment, mechanism: str, tmp_path: Path) -> None:
    file = write_token(tmp_path / "token", "alice")
    source = {"token_file": file, "token_command": f"cat {file}"}.get(mechanism)
    if mechanism == "tls":
        mine = secured_kafka.authority.sign("alice")
        login = {"protocol": "SSL", "certificate": str(mine.certificate), "key": str(mine.key)}
        environ = {**secured_kafka.environment(to, **login), "OFFBEAT_BROKERS": secured_kafka.mutual}
    elif source:
        environ = secured_kafka.environment(to, mechanism="OAUTHBEARER", **{mechanism: source})
    else:
        environ = secured_kafka.environment(to, mechanism=mechanism, **ALICE)
    with running(environ) as worker:
        sent = event(to.topic("carts"), mechanism, now(), "product.viewed", product_id="p")
        produce(secured_kafka, [sent])
        worker.wait_metric("offbeat_events_total", 1)
        worker.wait_metric("offbeat_customers", 1)
    if mechanism in ("PLAIN", "SCRAM-SHA-256", "token_command"):
        return  # the commands' client logs in with these as with their likes
    told = offbeat("doctor", "--json", "--metrics", "", environ=environ)
    assert [check for check in json.loads(told.stdout)["checks"] if not check["ok"]] == []


def test_commands_get_in_with_a_password_in_a_file(secured_kafka: SecuredKafka, to: Deployment, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    login = {"mechanism": "SCRAM-SHA-512", "user": "alice", "password_file": str(tmp_path / "password")}
    environ = {**secured_kafka.environment(to, **login), "OFFBEAT_PREFIX": "login-commands."}
    log = str(invented(tmp_path / "log.jsonl", seed=1, events=100))
    for command in (("topics", "create"), ("topics", "check"), ("replay", log)):
        done = offbeat(*command, environ=environ)
        assert (done.returncode, PASSWORD in done.stdout + done.stderr) == (0, False), done.stderr


# --- who does not ----------------------------------------------------------------------------------------------------

WRONG = {
    "password": ({"password": "wrong-one"}, "security: the brokers refuse user alice: ", "check user and password in"),
    "user": ({"user": "bob"}, "security: the brokers refuse user bob: ", "check user and password in"),
    "ca": ({"ca": "OTHER"}, "security: the certificate of the brokers is not accepted: ", "set OFFBEAT_SECURITY_CA to"),
    "token": (
        {"mechanism": "OAUTHBEARER", "token_file": "JUNK", "user": "", "password": ""},
        "security: the brokers refuse the owner of the token of token_file: ",
        "check how the token is got",
    ),
    "secret": (
        {"mechanism": "OAUTHBEARER", "token_url": "URL", "password": "wrong-one"},
        "security.token_url: URL gives no token (401 invalid_client)",
        "check user, password and scope in",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused_is_told_in_one_line(
    secured_kafka: SecuredKafka, to: Deployment, name: str, tmp_path: Path
) -> None:
    changed, begin, advice = WRONG[name]
    (tmp_path / "junk").write_text("a.b.c")
    with TokenServer("alice", "right-one") as server:
        known = {"OTHER": Authority(tmp_path).ca, "JUNK": tmp_path / "junk", "URL": server.url}
        settings = {key: str(known.get(value, value)) for key, value in changed.items()}
        environ = secured_kafka.environment(to, **{"mechanism": "SCRAM-SHA-256", **ALICE, **settings})
        with Worker(environ) as worker:
            assert worker.wait() == USAGE, worker.told
            (line,) = lines_of(worker)
        done = offbeat("topics", "check", environ=environ)
    begin = begin.replace("URL", server.url)
    assert line.startswith(begin)
    assert advice in line
    assert done.returncode == FAILURE
    assert done.stderr.splitlines() == [f"offbeat: {line}"]
    assert "wrong-one" not in line


def test_brokers_by_a_name_that_is_not_theirs(secured_kafka: SecuredKafka, to: Deployment) -> None:
    environ = secured_kafka.environment(to, mechanism="PLAIN", **ALICE)
    environ["OFFBEAT_BROKERS"] = secured_kafka.login.replace("127.0.0.1", "localhost")
    with Worker(environ) as worker:
        assert worker.wait() == USAGE, worker.told
        (line,) = lines_of(worker)
    assert "certificate is not valid for 'localhost'" in line
    assert "; name brokers in OFFBEAT_BROKERS as their certificates do" in line


def test_brokers_that_want_a_certificate(secured_kafka: SecuredKafka, to: Deployment, tmp_path: Path) -> None:
    stranger = Authority(tmp_path).sign("alice")
    none = {"protocol": "SSL"}
    for login in (none, {**none, "certificate": str(stranger.certificate), "key": str(stranger.key)}):
        environ = {**secured_kafka.environment(to, **login), "OFFBEAT_BROKERS": secured_kafka.mutual}
        with Worker(environ) as worker:
            assert worker.wait() == USAGE, worker.told
            (line,) = lines_of(worker)
        assert line.startswith("security: the brokers do not accept this client's certificate (")
        assert "set OFFBEAT_SECURITY_CERTIFICATE and" in line


def test_brokers_without_tls_are_waited_for(secured_kafka: SecuredKafka, to: Deployment) -> None:
    """They may be somewhere else on that address; and who listens there may be slow."""
    environ = secured_kafka.environment(to, mechanism="PLAIN", **ALICE)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environ["OFFBEAT_BROKERS"] = f"127.0.0.1:{silent.getsockname()[1]}"
        with Worker(environ) as worker:
            worker.wait_told(f"waiting: no broker with TLS at {environ['OFFBEAT_BROKERS']} (no answer)")
            assert worker.stop() == 0


def test_a_token_that_has_expired_is_waited_for(secured_kafka: SecuredKafka, to: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "token"
    write_token(file, "alice", -5)
    environ = secured_kafka.environment(to, mechanism="OAUTHBEARER", token_file=str(file))
    with Worker(environ) as worker:
        worker.wait_told("waiting: security.token_file: the token expired ")
        write_token(file, "alice")
        worker.wait_ready()
        assert worker.stop() == 0


# --- what changes meanwhile ------------------------------------------------------------------------------------------


def test_a_password_that_was_changed_ends_the_worker_and_the_next_one_reads_it(
    secured_kafka: SecuredKafka, to: Deployment, tmp_path: Path
) -> None:
    """Who is in stays in; when brokers were away, clients come back with what they began with."""
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    login = {"mechanism": "SCRAM-SHA-256", "user": "alice", "password_file": str(file)}
    with Worker(secured_kafka.environment(to, **login)) as worker:
        worker.wait_ready()
        secured_kafka.set_password("another one")
        file.write_text("another one")
        secured_kafka.restart()
        try:
            assert worker.wait(60) == FAILURE, worker.told
            with running(worker.environ):
                pass
        finally:
            secured_kafka.set_password(PASSWORD)
        (line,) = lines_of(worker)
    assert line.startswith("security: the brokers refuse user alice: ")


SECONDS = 4.0


@pytest.fixture(scope="module")
def strict_kafka(secured_kafka: SecuredKafka) -> Iterator[SecuredKafka]:
    """One that hangs up on who has not logged in again when a token expires."""
    properties = {"listener.name.login.oauthbearer.connections.max.reauth.ms": "3600000"}
    with SecuredKafka(secured_kafka.authority, properties) as kafka:
        yield kafka


def test_tokens_that_expire_are_renewed(strict_kafka: SecuredKafka, tmp_path: Path) -> None:
    """Every few seconds the broker closes every connection, in the middle of the work; what comes out is exact."""
    log = invented(tmp_path / "log.jsonl", seed=3, events=1500)
    to = deploy(strict_kafka, clock="event")
    expected = pure(log, to)
    with TokenServer("alice", "secret", seconds=SECONDS) as server:
        login = {"mechanism": "OAUTHBEARER", "token_url": server.url, "user": "alice", "password": "secret"}
        with running(strict_kafka.environment(to, **login)) as worker:
            done = offbeat("replay", str(log), "--speed", "100000", environ=to.environ)
            assert done.returncode == 0, done.stderr
            worker.wait_until(lambda: len(server.asked) >= 5, 60)
            worker.wait_until(lambda: sum(p["lag"] or 0 for p in worker.health()["partitions"].values()) == 0, 60)
            assert worker.process.poll() is None
        assert_equal(to, expected)
