"""The access rules that the page lists: what runs by them alone, and what is said when one is missing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer

from streams.access.security import Security
from streams.flow.merge import Rejected
from streams.flow.messages import MessageWriter
from tables.customer import Customer
from tables.customerform import pack
from tests.support.invented import invented
from tests.support.oracle import assert_equal, pure
from tests.support.secured import SecuredKafka, write_token
from tests.support.topics_io import Send, event, now, produce
from tests.support.workers import Deployment, Worker, deploy, offbeat, rules_of_a_minute, running
from tests.test_docs import rows_of, text_of

Rule = tuple[str, str, str]
"""Resource, name, operation."""


def listed(who: str) -> list[Rule]:
    """The rules of the page for one of its users."""
    rows = rows_of(text_of("streams/SECURITY.md"), "Access rules")
    found = [(kind, name, operation) for user, kind, name, operation, _ in rows if user == who]
    assert found
    return found


def with_prefix(to: Deployment, rules: list[Rule]) -> Iterator[Rule]:
    for kind, name, operation in rules:
        yield kind, name if kind == "cluster" or name == "*" else to.settings.prefix + name, operation


def enter(kafka: SecuredKafka, to: Deployment, rules: list[Rule], folder: Path, who: str = "") -> dict[str, str]:
    """The environment of a user that nobody else is, and that may do this and nothing else."""
    user = f"{to.settings.prefix}{who}{len(rules)}-{abs(hash(tuple(rules)))}"
    kafka.allow(user, *with_prefix(to, rules))
    file = write_token(folder / f"token-{who}", user)
    return kafka.environment(to, mechanism="OAUTHBEARER", token_file=file)


@pytest.fixture(scope="module")
def common(secured_kafka: SecuredKafka) -> Deployment:
    return deploy(secured_kafka, partitions="1")


def test_a_load_comes_out_exactly_once_by_the_listed_rules(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    """A worker that is killed on the way, another one after it, and a replay, each with its own rules alone."""
    log = invented(tmp_path / "log.jsonl", seed=5, events=2000)
    to = deploy(secured_kafka, clock="event")
    expected = pure(log, to)
    worker_environ = enter(secured_kafka, to, listed("worker"), tmp_path, "worker")
    replay_environ = enter(secured_kafka, to, listed("replay"), tmp_path, "replay")
    with Worker(worker_environ) as first:
        first.wait_ready()
        done = offbeat("replay", str(log), environ=replay_environ)
        assert done.returncode == 0, done.stderr
        first.wait_metric("offbeat_events_total", 1)
        first.kill()
    with running(worker_environ) as second:
        second.wait_until(lambda: sum(p["lag"] or 0 for p in second.health()["partitions"].values()) == 0, 60)
        second.wait_until(lambda: second.metric("offbeat_customers") == len(expected.states))
    assert_equal(to, expected)


LEARNING = ("topic", "offbeat-parameters", "Write")
"""Without it triggers go on."""


@pytest.mark.parametrize("missing", [rule for rule in listed("worker") if rule != LEARNING], ids="-".join)
def test_each_rule_that_is_missing_is_named(
    secured_kafka: SecuredKafka, common: Deployment, missing: Rule, tmp_path: Path
) -> None:
    rules = [rule for rule in listed("worker") if rule != missing]
    environ = enter(secured_kafka, common, rules, tmp_path)
    environ["OFFBEAT_RULES"] = rules_of_a_minute(tmp_path, views=1)
    with Worker(environ) as worker:
        sent = event(common.topic("carts"), "c", now() - 120_000, "product.viewed", product_id="p")
        produce(secured_kafka, [sent])
        status = worker.wait(30)
        (line,) = [line for line in worker.errors.splitlines() if line.startswith("offbeat: ")]
        assert "Traceback" not in worker.errors
    (named,) = with_prefix(common, [missing])
    assert status in (1, 2)
    assert named[1].removesuffix("*") in line
    assert "the owner of the token of token_file" in line
    assert "allow it with kafka-acls.sh (streams/SECURITY.md" in line


def test_a_worker_that_may_not_publish_says_so_and_goes_on(
    secured_kafka: SecuredKafka, common: Deployment, tmp_path: Path
) -> None:
    rules = [rule for rule in listed("worker") if rule != LEARNING]
    with running(enter(secured_kafka, common, rules, tmp_path), refit="28d") as worker:
        name = common.settings.published
        worker.wait_told(f"parameters: the brokers do not let the owner of the token of token_file use {name}; allow")
        assert worker.health()["ready"]


def test_topics_are_made_by_the_listed_rules(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    to = Deployment(secured_kafka, {**deploy(secured_kafka).environ, "OFFBEAT_PREFIX": "made-by-rules."})
    environ = enter(secured_kafka, to, listed("topics create"), tmp_path)
    made = offbeat("topics", "create", environ=environ)
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("made-by-rules.") >= 11


def test_dead_letters_are_listed_and_sent_back_by_the_listed_rules(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    to = deploy(secured_kafka, partitions="1")
    good = event(to.topic("carts"), "c", now() - 1000, "product.viewed", product_id="p")
    letter = MessageWriter(to.settings).dead_letter(
        Rejected(good.key, good.value, (), "", "not JSON"), good.topic, 0, 0
    )
    produce(secured_kafka, [Send(letter.topic, letter.key, letter.value, 0, tuple(letter.headers))])
    who = "dead-letters list"
    done = offbeat(*who.split(), environ=enter(secured_kafka, to, listed(who), tmp_path, "list"))
    assert (done.returncode, done.stdout.split()[:3]) == (0, ["not_json", f"{good.topic}[0]", "1"]), done.stderr
    who = "dead-letters replay"
    rules = listed(who)
    done = offbeat(*who.split(), "--yes", environ=enter(secured_kafka, to, rules[:-1], tmp_path, "less"))
    assert (done.returncode, "write with transactional ids that begin with" in done.stderr) == (1, True), done.stderr
    done = offbeat(*who.split(), "--yes", environ=enter(secured_kafka, to, rules, tmp_path, "replay"))
    assert (done.returncode, done.stdout) == (0, "sent 1 back, 0 stay\n"), done.stderr


def test_a_customer_is_shown_by_the_listed_rules(
    secured_kafka: SecuredKafka, common: Deployment, tmp_path: Path
) -> None:
    who = "customers show"
    produce(secured_kafka, [Send(common.settings.changelog, b"ann", pack(Customer(), 0), 0)])
    trigger = {"type": "cart.abandoned", "trigger_id": "t", "due_at": "2024", "fired_at": "2024", "reason": "left"}
    produce(secured_kafka, [Send(common.topic("triggers.cart"), b"ann", json.dumps(trigger).encode(), 0)])
    rules = listed(who)
    environ = {**enter(secured_kafka, common, rules, tmp_path, "show"), "OFFBEAT_REFIT": "28d"}
    done = offbeat(*who.split(), "ann", "--json", environ=environ)
    assert done.returncode == 0, done.stderr
    assert [one["reason"] for one in json.loads(done.stdout)["messages"]] == ["left"]
    blind = {**enter(secured_kafka, common, rules[1:], tmp_path, "blind"), "OFFBEAT_REFIT": "28d"}
    done = offbeat(*who.split(), "ann", environ=blind)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"offbeat: topic {common.settings.changelog} is missing, or may not be seen: see")
    explained = {**enter(secured_kafka, common, rules[:2], tmp_path, "explain"), "OFFBEAT_REFIT": "28d"}
    done = offbeat("customers", "explain", "ann", environ=explained)
    assert done.returncode == 0, done.stderr


def test_doctor_sees_nothing_wrong_with_what_the_page_says(
    secured_kafka: SecuredKafka, common: Deployment, tmp_path: Path
) -> None:
    rules = [*listed("worker"), ("group", "offbeat-doctor", "Read")]
    told = offbeat("doctor", "--json", "--metrics", "", environ=enter(secured_kafka, common, rules, tmp_path))
    checks = json.loads(told.stdout)["checks"]
    assert [check for check in checks if not check["ok"]] == []
    assert "differs from the broker's by less than" in next(c for c in checks if c["name"] == "clock")["detail"]


def test_a_sender_reads_by_the_listed_rules(secured_kafka: SecuredKafka, common: Deployment, tmp_path: Path) -> None:
    """With kafka-python, as senders are."""
    enter(secured_kafka, common, listed("sender"), tmp_path)
    ca, token = secured_kafka.authority.ca, tmp_path / "token-"
    security = Security(protocol="SASL_SSL", mechanism="OAUTHBEARER", token_file=token, ca=ca)
    produce(secured_kafka, [event(common.topic("triggers.cart"), "c", now(), "for a sender")])
    consumer = KafkaConsumer(
        common.topic("triggers.cart"),
        bootstrap_servers=[secured_kafka.login],
        group_id=f"{common.settings.prefix}print-sender",
        auto_offset_reset="earliest",
        **security.client_options(blocking=True),
    )
    try:
        keys = (record.key for _ in range(60) for records in consumer.poll(500).values() for record in records)
        assert b"c" in keys
        consumer.commit()
    finally:
        consumer.close()
