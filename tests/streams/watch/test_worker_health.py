"""What the endpoints of a real worker tell: from its first moment on, and of a partition that stands still."""

from streams.brokers.embedded import EmbeddedBroker, free_port
from tests.support import frozen
from tests.support.topics_io import Send, event, now, produce
from tests.support.workers import Deployment, Worker, deploy, environment


class Freezing(Worker):
    """One whose partition 0 can be made to stand still (tests.support.frozen)."""

    program = ("-m", "tests.support.frozen")


def viewed(to: Deployment, partition: int, number: int) -> Send:
    customer = f"c{partition}-{number}"
    return event(to.topic("carts"), customer, now(), "product.viewed", partition=partition, product_id="p")


def test_a_frozen_partition_turns_it_red_while_others_work_and_a_quiet_one_does_not(
    embedded_broker: EmbeddedBroker,
) -> None:
    to = deploy(embedded_broker, partitions="3")
    with Freezing(to.environ) as worker:
        worker.wait_ready()
        produce(embedded_broker, [viewed(to, partition, 0) for partition in (0, 1)])
        worker.wait_metric("offbeat_events_total", 2)
        worker.send(frozen.FREEZE)
        produce(embedded_broker, [viewed(to, 0, 1)])
        numbers = iter(range(1, 10_000))

        def frozen_while_another_works() -> bool:
            produce(embedded_broker, [viewed(to, 1, next(numbers))])
            return bool(worker.get("/health")[0] == 503)

        worker.wait_until(frozen_while_another_works, 40)
        health = worker.health()
        assert {number: told["phase"] for number, told in health["partitions"].items()} == {
            "0": "frozen",
            "1": "live",
            "2": "live",  # it has been quiet all the time
        }
        assert health["partitions"]["0"]["lag"] == 1
        assert health["partitions"]["0"]["lag_seconds"] >= 10
        assert health["partitions"]["2"]["lag_seconds"] < 5
        assert (health["phase"], health["ready"], health["healthy"]) == ("live", False, False)
        assert worker.get("/ready")[0] == 503
        assert worker.get("/live")[0] == 200
        assert worker.metric("offbeat_ready") == 0
        assert worker.metric("offbeat_partition_still_seconds", partition="0") > 10
        assert worker.metric("offbeat_partition_still_seconds", partition="2") < 5
        taken = next(numbers)
        worker.wait_metric("offbeat_events_total", 2 + taken - 1)  # nothing of the others is left undone
        worker.send(frozen.THAW)
        worker.wait_until(lambda: worker.get("/ready")[0] == 200)
        worker.wait_metric("offbeat_events_total", 3 + taken - 1)
        assert worker.health()["healthy"] is True
        assert worker.stop() == 0


def test_the_endpoints_answer_before_there_is_a_broker() -> None:
    with Worker(environment(f"127.0.0.1:{free_port()}", "")) as worker:
        worker.wait_until(lambda: worker.get("/live") == (200, '{"live": true}\n'))
        assert worker.get("/ready") == (503, '{"ready": false}\n')
        health = worker.health()
        assert health["phase"] in {"starting", "waiting for brokers"}
        assert (health["ready"], health["healthy"], health["partitions"]) == (False, True, {})
        assert worker.metric("offbeat_ready") == 0
        assert worker.metric("offbeat_loop_still_seconds") < 10
