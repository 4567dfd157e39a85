"""Pictures of the dashboards: two workers on Apache Kafka, a shop that trades, Prometheus; drawn after some minutes.

    PYTHONPATH=deploy/grafana .venv/bin/python -m tests.bench.boards --minutes 10

One worker is killed on the way and comes back, and a producer sends rubbish, so that there is something to see.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from drawing.__main__ import HERE, draw
from drawing.series import Span
from streams.brokers.topics import create
from tests.support.brokers import ApacheKafka
from tests.support.debian import programs as debian
from tests.support.prometheus import Prometheus
from tests.support.topics_io import Send, produce
from tests.support.workers import ROOT, Deployment, Worker, environment, rules_of_a_minute

_LOAD = ROOT / "deploy" / "load"
_HISTORY_SECONDS = 60.0
"""In which the shop's history is read: it would dwarf what comes after it."""


def config(folder: Path, workers: list[Worker]) -> Path:
    """Our example for Prometheus, which asks these workers every two seconds."""
    told = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text().replace("15s", "2s")
    told = told.replace("127.0.0.1:9464", '", "'.join(worker.environ["OFFBEAT_METRICS"] for worker in workers))
    for name in ("recording.yml", "alerts.yml"):
        told = told.replace(f"- {name}", f"- {ROOT / 'deploy' / 'prometheus' / name}")
    file = folder / "prometheus.yml"
    file.write_text(told)
    return file


def rubbish(to: Deployment, count: int) -> None:
    """What is no event."""
    produce(to.broker, [Send(to.topic("carts"), b"x", b"{", n % 2) for n in range(count)])


def run(minutes: float, visits: float, out: Path) -> None:
    """Everything, and the pictures at its end."""
    programs = debian("prometheus", "prometheus", "promtool")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="offbeat-boards-")))
        kafka = stack.enter_context(ApacheKafka())
        to = Deployment(kafka, environment(kafka, "", partitions="4", rules=rules_of_a_minute(folder)))
        create(to.settings)
        workers = [stack.enter_context(Worker(to.environ)).wait_ready() for _ in range(2)]
        server = stack.enter_context(Prometheus(programs, config(folder, workers)))
        load = [sys.executable, str(_LOAD / "load.py"), "--customers", "3000", "--visits", str(visits)]
        environ = {**workers[0].environ, "PYTHONPATH": str(ROOT)}
        shop = subprocess.Popen(load, env=environ, stdout=subprocess.DEVNULL)
        stack.callback(shop.wait)
        stack.callback(shop.terminate)
        time.sleep(_HISTORY_SECONDS)
        began = time.time()
        time.sleep(20 * minutes)
        workers[1].kill()
        time.sleep(15)
        stack.enter_context(Worker(to.environ, metrics=workers[1].environ["OFFBEAT_METRICS"])).wait_ready()
        rubbish(to, 200)
        time.sleep(max(0.0, began + 60 * minutes - time.time()))
        draw(f"http://{server.address}", "offbeat", Span(began, time.time()), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--visits", type=float, default=20.0, help="a second")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    run(options.minutes, options.visits, options.out)


if __name__ == "__main__":
    main()
