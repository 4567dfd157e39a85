"""Rules, alerts and dashboards hold together: with each other, with the runbook, and with what a real worker shows."""

import json
import math
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from boards.__main__ import BOARDS, FOLDER, rendered
from drawing.__main__ import draw
from drawing.series import Span
from tests.support.brokers import ApacheKafka
from tests.support.prometheus import Prometheus
from tests.support.topics_io import Send, event, now, produce
from tests.support.workers import ROOT, Deployment, Worker, deploy, rules_of_a_minute, running

HERE = ROOT / "deploy" / "prometheus"
RULE_TESTS = sorted((HERE / "tests").glob("*.yml"))
FILES = {name: (HERE / name).read_text() for name in ("alerts.yml", "senders.yml")}
OF_WORKERS, OF_SENDERS = (re.findall(r"^ +- alert: (\w+)$", text, re.MULTILINE) for text in FILES.values())
ALERTS = [*OF_WORKERS, *OF_SENDERS]
Scraped = tuple[Prometheus, Worker, Deployment]
HOUR, DAY = 3_600_000, 86_400_000
SPANS = {"$job": "offbeat", "$__rate_interval": "1m", "$__range": "5m"}
SELECTOR = re.compile(r"\b((?:job\w*:)?(?:offbeat_[\w:]+|process_\w+|up\b))(\{[^}]*\})?")


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_example_is_a_valid_configuration(prometheus_programs: Path) -> None:
    check(prometheus_programs, "check", "config", str(HERE / "prometheus.yml"))


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda path: str(path.name))
def test_alerts_fire_when_they_should_and_only_then(file: Path, prometheus_programs: Path) -> None:
    check(prometheus_programs, "test", "rules", str(file))


def check(programs: Path, *arguments: str) -> None:
    done = subprocess.run([programs / "promtool", *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_firing_and_silent() -> None:
    text = "".join(file.read_text() for file in RULE_TESTS)
    told = re.findall(r"alertname: (\w+)(\}?)", text)
    assert {name for name, _ in told} == set(ALERTS)
    fires = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", text))
    assert fires == set(ALERTS)
    assert {name for name, silent in told if silent} == set(ALERTS)


def test_each_alert_leads_to_a_section_of_the_runbook() -> None:
    links = re.findall(r"runbook_url: (\S+)#(\w+)$", "".join(FILES.values()), re.MULTILINE)
    assert [anchor for _, anchor in links] == [name.lower() for name in ALERTS]
    assert {page for page, _ in links} == {"streams/RUNBOOK.md"}
    sections = re.split(r"^## ", (ROOT / "streams" / "RUNBOOK.md").read_text(), flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections][: len(ALERTS)] == ALERTS
    for section in sections:
        assert re.findall(r"^\*\*(.+?):\*\*", section, re.MULTILINE) == ["Looks like", "Why", "Do", "Doctor"], section


def test_every_alert_that_a_page_names_exists() -> None:
    for page in ("streams/OPERATING.md", "streams/RUNBOOK.md"):
        assert set(re.findall(r"\bOffbeat[A-Z]\w+", (ROOT / page).read_text())) <= set(ALERTS)


@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_are_those_of_the_code(name: str) -> None:
    assert (FOLDER / name).read_text() == rendered(name), "run: make dashboards"


def test_dashboards_are_what_grafana_provisions() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(BOARDS)
    boards = [json.loads(rendered(name)) for name in BOARDS]
    assert len({board["uid"] for board in boards}) == len(boards)
    for board in boards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "job"]


# --- a real worker, scraped ------------------------------------------------------------------------------------------


def queries() -> Iterator[tuple[str, str]]:
    """The panels' titles, and their expressions, with the variables set."""
    for name in BOARDS:
        for panel in json.loads((FOLDER / name).read_text())["panels"]:
            for target in panel.get("targets", ()):
                expr = target["expr"]
                for variable, value in SPANS.items():
                    expr = expr.replace(variable, value)
                yield f"{name}: {panel['title']}", expr


@pytest.fixture
def scraped(apache_kafka: ApacheKafka, prometheus_programs: Path, tmp_path: Path) -> Iterator[Scraped]:
    """A worker, and Prometheus with our files, which asks it every second."""
    to = deploy(apache_kafka, rules=rules_of_a_minute(tmp_path, views=1))
    with running(to.environ) as worker:
        config = (HERE / "prometheus.yml").read_text()
        assert config.count("15s") == 2
        config = config.replace("15s", "1s").replace("127.0.0.1:9464", worker.environ["OFFBEAT_METRICS"])
        for name in ("recording.yml", "alerts.yml"):
            config = config.replace(f"- {name}", f"- {HERE / name}")
        (tmp_path / "prometheus.yml").write_text(config)
        with Prometheus(prometheus_programs, tmp_path / "prometheus.yml") as server:
            yield server, worker, to


def test_every_query_and_every_alert_finds_what_a_real_worker_shows(scraped: Scraped, tmp_path: Path) -> None:
    server, worker, to = scraped
    until(lambda: number(server, "count_over_time(offbeat_ready[1m])") >= 3)  # counters are seen to begin with 0
    trade(to, worker)
    until(lambda: number(server, "sum(offbeat_trigger_cancellations_total)") >= 1)
    empty = set()
    for title, expr in queries():
        nothing_fitted = "offbeat_refit_coverage" in expr  # by a worker that has just begun: it is not a number yet
        empty |= {title} if nothing_fitted else set()
        until(partial(server.query if nothing_fitted else partial(numbers, server), expr), f"{title}: {expr}")
    draw(f"http://{server.address}", "offbeat", Span(time.time() - 60, time.time()), tmp_path)
    pictures = [(tmp_path / name).with_suffix(".svg").read_text() for name in BOARDS]
    assert sum(picture.count("no data") for picture in pictures) <= len(empty)
    rules = server.rules()
    assert [rule["name"] for rule in rules if rule["type"] == "alerting"] == OF_WORKERS
    for rule in rules:
        until(partial(healthy, server, rule["name"]), rule["name"])
        found = {"".join(parts) for parts in SELECTOR.findall(rule["query"])}
        assert found, rule
        for selector in found:
            assert numbers(server, selector), (rule["name"], selector)
    assert number(server, 'sum(ALERTS{alertstate="firing", severity="critical"}) or vector(0)') == 0


def trade(to: Deployment, worker: Worker) -> None:
    """A little of everything that has series: orders, triggers, what takes them back, what is held back or refused."""
    carts, purchases, at = to.topic("carts"), to.topic("purchases"), now()
    customers = [f"c{n}" for n in range(20)]
    viewed = [event(carts, who, at - 61_000, "product.viewed", product_id="p") for who in customers]
    late = [event(carts, f"s{n}", at - 80 * HOUR, "cart.item_added", product_id="p", quantity=1) for n in range(20)]
    produce(to.broker, [*late, *viewed, Send(carts, b"x", b"{", 0)])
    worker.wait_metric("offbeat_triggers_total", len(customers))
    orders = [order(purchases, who, at - days * DAY, days) for who in customers for days in (20, 0)]
    back = [
        event(purchases, who, at + 1, kind, order_id=f"{who}-0")
        for who, kind in zip(customers, ("order.cancelled", "order.refunded"), strict=False)
    ]
    away = [order(purchases, f"away{gap}", at - days * DAY, days) for gap in (200, 550, 3000) for days in (gap, 0)]
    produce(to.broker, [*orders, *back, *away])  # in every part of a window
    worker.wait_metric("offbeat_trigger_cancellations_total", len(customers))


def order(topic: str, who: str, at: int, days: int) -> Send:
    return event(topic, who, at, "order.completed", order_id=f"{who}-{days}", total=25.5, currency="EUR", items=[])


def numbers(server: Prometheus, expr: str) -> list[float]:
    """The values that an expression has now, without those that are not a number."""
    return [value for sample in server.query(expr) if not math.isnan(value := float(sample["value"][1]))]


def number(server: Prometheus, expr: str) -> float:
    return next(iter(numbers(server, expr)), 0.0)


def healthy(server: Prometheus, name: str) -> bool:
    return {rule["health"] for rule in server.rules() if rule["name"] == name} == {"ok"}


def until(what: Callable[[], object], message: str = "", seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, message
        time.sleep(0.2)
