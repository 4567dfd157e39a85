"""An event goes in and a mail comes out, once: after kill -9 of the worker and of the sender, wherever it hits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.brokers.embedded import EmbeddedBroker
from tests.support.brokers import ApacheKafka
from tests.support.mailbox import Mailbox
from tests.support.sending import Sender, tell, trigger
from tests.support.topics_io import event, now, produce
from tests.support.workers import Deployment, Worker, deploy, rules_of_a_minute, running

MINUTE = 60_000
CUSTOMERS = "customer_id,email,first_name\nann,ann@example.com,Ann\nbob,bob@example.com,\n"
UNSUBSCRIBE = "https://shop.example/stop?c={customer_id}"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture
def to(request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    """Topics on the embedded broker, or on the one that the test is given by the name of its fixture."""
    broker: EmbeddedBroker | ApacheKafka = request.getfixturevalue(getattr(request, "param", "embedded_broker"))
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    return deploy(broker, rules=rules_of_a_minute(tmp_path))


def mailing(to: Deployment, box: Mailbox, folder: Path, *options: str) -> Sender:
    """The mail sender, with what it notes in `folder`."""
    return Sender(
        to,
        "mail_sender.py",
        *("--smtp", box.address, "--smtp-security", "none", "--from", "Shop <hello@shop.example>"),
        *("--addresses", str(folder / "customers.csv"), "--unsubscribe", UNSUBSCRIBE),
        *("--table", str(folder / "ids.db"), "--lease", "2s", "--delay", "0s", *options),
    )


def left_cart(to: Deployment, customer: str) -> None:
    """A cart that was touched a little more than a minute ago: by the rules of a minute its trigger is due."""
    at = now() - MINUTE - 1000
    tea = event(to.topic("carts"), customer, at, "cart.item_added", product_id="tea", quantity=2, price=4.5)
    produce(to.broker, [tea])


def bought(to: Deployment, customer: str) -> None:
    fields: dict[str, Any] = {"order_id": "1", "total": 9.0, "currency": "EUR", "items": []}
    produce(to.broker, [event(to.topic("purchases"), customer, now(), "order.completed", **fields)])


def test_an_event_becomes_a_mail(to: Deployment, mailbox: Mailbox, tmp_path: Path) -> None:
    with running(to.environ), mailing(to, mailbox, tmp_path) as sender:
        left_cart(to, "ann")
        sender.wait_told(": sent\n")
        assert sender.stop() == 0
    (mail,) = mailbox.mails
    assert mailbox.recipients == ["ann@example.com"]
    assert mail["Subject"] == "You left something in your cart"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Hello Ann," in body.get_content()
    assert "2 x tea  4.50" in body.get_content()
    assert mail["List-Unsubscribe"] == "<https://shop.example/stop?c=ann>"


def first_time(action: Callable[[], object], answer: str | None = None) -> Callable[[], str | None]:
    """Does it once; then too it gives the usual answer afterwards."""
    left = [action]

    def script() -> str | None:
        if not left:
            return None
        left.pop()()
        return answer

    return script


@pytest.mark.parametrize(
    ("to", "point"),
    [
        ("embedded_broker", "held"),
        ("embedded_broker", "MAIL"),
        ("embedded_broker", "DATA"),
        ("apache_kafka", "RCPT"),
    ],
    indirect=["to"],
)
def test_one_mail_after_both_were_killed(to: Deployment, mailbox: Mailbox, tmp_path: Path, point: str) -> None:
    """While the trigger waits, and at each step of handing it over up to the last byte."""
    delay = ("--delay", "3s") if point == "held" else ()
    with Worker(to.environ) as worker, mailing(to, mailbox, tmp_path, *delay) as sender:

        def kill() -> None:
            worker.process.kill()
            sender.process.kill()

        mailbox.on[point] = first_time(kill, "451 not now" if point == "DATA" else None)
        worker.wait_ready()
        left_cart(to, "ann")
        if point == "held":
            sender.wait_told(": held\n")
            kill()
        assert (sender.wait(), worker.wait()) == (-9, -9)
    assert mailbox.mails == []
    with running(to.environ), mailing(to, mailbox, tmp_path, *delay) as sender:
        left_cart(to, "bob")
        sender.wait_until(lambda: len(set(mailbox.recipients)) == 2)
        assert sender.stop() == 0
    assert sorted(mailbox.recipients) == ["ann@example.com", "bob@example.com"]


@pytest.mark.parametrize(("order", "copies"), [("at_least_once", 2), ("at_most_once", 1)])
def test_the_moment_that_nobody_can_know(
    to: Deployment, mailbox: Mailbox, tmp_path: Path, order: str, copies: int
) -> None:
    """The server has the mail, and the sender does not know: a second copy is the same mail, or there is none."""
    with mailing(to, mailbox, tmp_path, "--order", order) as sender:
        mailbox.on["STORED"] = first_time(sender.process.kill)
        tell(to, trigger("ann"))
        assert sender.wait() == -9
    with mailing(to, mailbox, tmp_path, "--order", order) as sender:
        tell(to, trigger("bob"))
        sender.wait_until(lambda: len(mailbox.mails) == copies + 1)
        assert sender.stop() == 0
    assert mailbox.recipients.count("ann@example.com") == copies
    assert len(set(mailbox.ids)) == 2


@pytest.mark.parametrize("to", ["apache_kafka"], indirect=True)
def test_who_buys_within_the_delay_hears_nothing(to: Deployment, mailbox: Mailbox, tmp_path: Path) -> None:
    """Also when the sender is away until the delay is over: it reads to the end before it sends."""
    with running(to.environ) as worker:
        with mailing(to, mailbox, tmp_path, "--delay", "5s") as sender:
            left_cart(to, "ann")
            sender.wait_told(": held\n")
            sender.kill()
        bought(to, "ann")
        worker.wait_metric("offbeat_trigger_cancellations_total", 1)
        with mailing(to, mailbox, tmp_path, "--delay", "5s") as sender:
            sender.wait_told("cart.abandoned.cancelled")
            left_cart(to, "bob")
            sender.wait_until(lambda: mailbox.recipients)
            assert sender.stop() == 0
            assert sender.told.count(": cancelled\n") == 2
    assert mailbox.recipients == ["bob@example.com"]
