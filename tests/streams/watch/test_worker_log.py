"""What a worker says and shows of itself: no secrets, no customers above debug, nothing that rules a terminal."""

import json
import socket
from pathlib import Path

import pytest

from streams.brokers.embedded import EmbeddedBroker, free_port
from streams.watch.logformat import pseudonym
from tests.support.secured import PASSWORD, SecuredKafka
from tests.support.tokenserver import TokenServer
from tests.support.topics_io import Broker, Send, event, now, produce, read_all
from tests.support.workers import Deployment, Worker, deploy, offbeat, rules_of_a_minute

REDIS = "redis-pass-1"
SECRETS = (PASSWORD, "client-secret-1", REDIS)
HOSTILE = (
    "\x1b[2J\x1b[31mred",
    "two\nlines\r\n2026-01-01 00:00:00 ERROR forged",
    'quote" } offbeat_events_total{type="x"} 1',
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "right\u202eleft",
    "%s%n{0}",
    "a" * 300,
)
"""Customer ids, product ids and names that somebody might send."""


def shown_by(worker: Worker) -> list[str]:
    """All that others may see of a process: what it writes, its command line, its metrics."""
    process = Path("/proc") / str(worker.process.pid)
    return [
        worker.told,
        (process / "cmdline").read_bytes().decode(),
        *(worker.get(path)[1] for path in ("/metrics", "/health", "/live", "/ready", "/nothing")),
    ]


def hostile_events(to: Deployment) -> list[Send]:
    """Some become states and triggers, some dead letters."""
    at = now() - 120_000
    carts = to.topic("carts")
    good = [event(carts, name, at, "product.viewed", product_id=name, category=name) for name in HOSTILE]
    odd = [event(carts, f"odd-{n}", at, name, currency=name) for n, name in enumerate(HOSTILE)]
    wrong = [Send(carts, b"wrong-key", record.value, None, (("\x1b[31m", b"\x1b[2J\n"),)) for record in good]
    order = [
        event(to.topic("purchases"), name, at, "order.completed", order_id=name, total=5.0, currency=name[:3], items=[])
        for name in HOSTILE
    ]
    return [*good, *odd, *wrong, *order]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"])
def test_secrets_are_seen_nowhere(secured_kafka: SecuredKafka, mechanism: str) -> None:
    """At debug the clients log every request, those that log in among them."""
    to = deploy(secured_kafka, log_level="debug", redis=f"redis://:{REDIS}@127.0.0.1:{free_port()}/0")
    with TokenServer("alice", "client-secret-1") as server:
        login = {"user": "alice", "password": PASSWORD}
        if mechanism == "OAUTHBEARER":
            login = {"user": "alice", "password": "client-secret-1", "token_url": server.url}
        with Worker(secured_kafka.environment(to, mechanism=mechanism, **login)) as worker:
            worker.wait_ready()
            shown = shown_by(worker)
            assert worker.stop() == 0
            shown.append(worker.told)
        tokens = server.given
    assert "Request to" in shown[-1]  # it is a debug log
    assert "(not shown)" in shown[-1]
    assert bool(tokens) == (mechanism == "OAUTHBEARER")
    for text in shown:
        for secret in (*SECRETS, *tokens):
            assert secret not in text


def test_texts_of_events_do_no_harm(broker: Broker, tmp_path: Path) -> None:
    """In the log, at any level, and in the metrics; they come through to triggers and dead letters as they are."""
    to = deploy(broker, partitions="1", log_level="debug", rules=rules_of_a_minute(tmp_path, views=1))
    with Worker(to.environ) as worker:
        worker.wait_ready()
        sent = hostile_events(to)
        produce(broker, sent)
        worker.wait_metric("offbeat_triggers_total", len(HOSTILE) - 1)
        worker.wait_metric("offbeat_dead_letters_total", 2 * len(HOSTILE))
        metrics = worker.get("/metrics")[1]
        names = {name for name, _ in worker.samples()}
        assert worker.stop() == 0
        assert worker.errors.replace("\n", "").isprintable()
        assert not any(line.startswith("2026-01-01 00:00:00 ERROR") for line in worker.errors.splitlines())
    assert metrics.replace("\n", "").isprintable()
    assert all(name.startswith(("offbeat_", "process_", "python_")) for name in names)
    assert not any(text in metrics for text in ("31mred", "forged", "<script", "calc", "aaaa", "two", "u202e"))
    triggers = {message.json["customer_id"] for message in read_all(broker, [to.topic("triggers.cart")])}
    assert triggers <= set(HOSTILE)
    dead = read_all(broker, [to.topic("dead-letters")])
    assert {message.value for message in dead} <= {record.value for record in sent}
    assert any(("\x1b[31m", b"\x1b[2J\n") in message.all_headers for message in dead)


def test_texts_of_files_do_no_harm_on_a_terminal(tmp_path: Path) -> None:
    """Commands say which lines of a file they refuse, and repeat what stands there."""
    log = tmp_path / "log.jsonl"
    wrong = [{"type": name, "event_id": name, "customer_id": name, "occurred_at": name} for name in HOSTILE]
    good = {"type": "product.viewed", "event_id": "e", "customer_id": "c", "occurred_at": 1, "product_id": "p"}
    log.write_text(
        "".join(json.dumps(line) + "\n" for line in [good | {"occurred_at": now()}, *wrong]) + "\x1b[2J{\n" * 2
    )
    done = offbeat("backtest", str(log), environ={})
    assert done.returncode == 0
    assert f"{len(HOSTILE) + 2} rejected" in done.stdout
    assert (done.stdout + done.stderr).replace("\n", "").isprintable()
    assert not any(line.startswith("2026-01-01") for line in (done.stdout + done.stderr).splitlines())


def test_customers_are_named_at_debug_alone(embedded_broker: EmbeddedBroker) -> None:
    """One that reaches a bound stands in the log under a pseudonym, each line of which is an object."""
    to = deploy(embedded_broker, partitions="1", log_format="json")
    items = [{"product_id": f"p{n}", "quantity": 1, "price": 1.0} for n in range(200)]
    cart = event(to.topic("carts"), "ann@example.com", now(), "cart.updated", items=items)
    with Worker(to.environ) as worker:
        worker.wait_ready()
        produce(embedded_broker, [cart])
        worker.wait_told(pseudonym("ann@example.com"))
        assert worker.stop() == 0
        lines = [json.loads(line) for line in worker.errors.splitlines()]
        assert "ann@example.com" not in worker.told
    (named,) = [line for line in lines if pseudonym("ann@example.com") in line["message"]]
    assert (named["level"], named["logger"], named["partition"]) == ("warning", "streams.delivery.excess", 0)
    (restored,) = [line for line in lines if "customers restored" in line["message"]]
    assert restored["batch"] == dict.fromkeys(to.settings.sources, 0)
    with Worker({**to.environ, "OFFBEAT_LOG_LEVEL": "debug"}) as worker:
        worker.wait_ready()
        produce(embedded_broker, [cart])
        worker.wait_metric("offbeat_events_total", 1)


def test_last_words_in_json(embedded_broker: EmbeddedBroker) -> None:
    environ = {**deploy(embedded_broker).environ, "OFFBEAT_PREFIX": "nobody-made-them.", "OFFBEAT_LOG_FORMAT": "json"}
    with Worker(environ) as worker:
        assert worker.wait() == 2
        told = json.loads(worker.errors.splitlines()[-1])
    assert (told["level"], told["status"]) == ("critical", 2)
    assert told["message"].startswith("topic nobody-made-them.")


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses and ports, of IPv4 and IPv6, at which a process listens."""
    inodes = set()
    for link in (Path("/proc") / str(pid) / "fd").iterdir():
        try:
            inodes.add(str(link.readlink()))
        except OSError:  # closed meanwhile
            continue
    found = set()
    for family, name in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in (Path("/proc") / str(pid) / "net" / name).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in inodes:
                host, _, port = local.partition(":")
                words = bytes.fromhex(host)
                raw = b"".join(words[n : n + 4][::-1] for n in range(0, len(words), 4))
                found.add((socket.inet_ntop(family, raw), int(port, 16)))
    return found


def test_a_worker_listens_at_its_metrics_port_on_this_machine_alone(embedded_broker: EmbeddedBroker) -> None:
    """Neither Faust's own web server nor anything else."""
    to = deploy(embedded_broker)
    with Worker(to.environ) as worker:
        worker.wait_ready()
        port = int(worker.environ["OFFBEAT_METRICS"].rpartition(":")[2])
        assert listening(worker.process.pid) == {("127.0.0.1", port)}
        assert worker.stop() == 0
    assert to.settings.metrics.startswith("127.0.0.1:")
    with Worker({**to.environ, "OFFBEAT_METRICS": ""}) as worker:
        worker.wait_until(lambda: "offbeat worker ready" in worker.output)
        assert listening(worker.process.pid) == set()
