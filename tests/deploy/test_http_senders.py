"""SMS and webhooks as processes over a real server: what they send, what comes of answers, and crashes in between."""

import base64
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from streams.brokers.embedded import EmbeddedBroker
from tests.support.posts import Answer, Posts, Request
from tests.support.sending import Sender, taken_back, tell, trigger
from tests.support.workers import Deployment, deploy

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
CUSTOMERS = "customer_id,phone\nann,+49 151 1234-5678\nbob,\ncem,12345\n"


@pytest.fixture
def to(embedded_broker: EmbeddedBroker) -> Deployment:
    return deploy(embedded_broker, partitions="1")


@pytest.fixture
def server() -> Iterator[Posts]:
    with Posts() as found:
        yield found


def webhook(to: Deployment, server: Posts, folder: Path, *options: str) -> Sender:
    (folder / "secret").write_text(SECRET + "\n")
    store = ("--table", str(folder / "ids.db"), "--lease", "2s")
    environ = {"WEBHOOK_SECRET_FILE": str(folder / "secret")}
    return Sender(to, "webhook_sender.py", "--url", server.url + "/hook", *store, *options, environ=environ)


def verified(request: Request) -> str:
    """The webhook-id of a request whose signature is right."""
    found, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    digest = hmac.digest(KEY, f"{found}.{stamp}.".encode() + request.body, "sha256")
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    return found


def test_a_webhook_brings_the_event_and_takes_it_back(to: Deployment, server: Posts, tmp_path: Path) -> None:
    sent, never = trigger("änn\r\nx: 1"), trigger("bob")
    with webhook(to, server, tmp_path) as sender:
        tell(to, sent)
        sender.wait_told(": sent\n")
        tell(to, taken_back(sent), taken_back(never), never)
        sender.wait_told(": cancelled\n", 2)
        assert sender.stop() == 0
    first, second = server.requests
    assert [verified(first), verified(second)] == [sent.trigger_id, taken_back(sent).message_id]
    value = json.loads(first.body)
    assert (value["trigger_id"], value["customer_id"]) == (sent.trigger_id, "änn\r\nx: 1")
    assert {name: text for name, text in first.headers.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": sent.trigger_id,
        "ce-source": f"/{to.settings.prefix}offbeat",
        "ce-type": "cart.abandoned",
        "ce-subject": "%C3%A4nn%0D%0Ax:%201",
        "ce-time": sent.fired_at,
    }
    assert second.headers["ce-type"] == "cart.abandoned.cancelled"


def test_a_webhook_that_is_not_taken_at_once(to: Deployment, server: Posts, tmp_path: Path) -> None:
    """Busy, cut off, failing: again until it is taken, with the same id. Refused: a dead letter, as it was."""
    answers: list[Answer | None] = [Answer(429, {"Retry-After": "1"}), None, Answer(500), Answer(200), Answer(422)]
    server.answer = lambda _request: answers.pop(0)
    ann, bob = trigger("ann"), trigger("bob")
    with webhook(to, server, tmp_path) as sender:
        tell(to, ann)
        sender.wait_told(": sent\n")
        tell(to, bob)
        sender.wait_told(": refused: HTTP status 422\n")
        (letter,) = sender.dead_letters("webhook-sender.dead-letters")
    assert [verified(request) for request in server.requests] == [ann.trigger_id] * 4 + [bob.trigger_id]
    assert (letter.key, letter.json["customer_id"]) == (b"bob", "bob")
    assert letter.headers["ce_id"] == bob.trigger_id.encode()
    assert letter.headers["offbeat_topic"] == to.topic("triggers_cart").encode()
    assert (letter.headers["offbeat_partition"], letter.headers["offbeat_offset"]) == (b"0", b"1")
    assert letter.headers["offbeat_reason"] == b"HTTP status 422"


def test_killed_while_it_posts(to: Deployment, server: Posts, tmp_path: Path) -> None:
    """What the server may have had comes again, with the same id: it can tell."""
    running: list[Sender] = []

    def kill(request: Request) -> Answer:
        if running and len(server.requests) == 1:
            running[0].process.kill()
        assert request.method == "POST"
        return Answer()

    server.answer = kill
    ann, bob = trigger("ann"), trigger("bob")
    with webhook(to, server, tmp_path) as sender:
        running.append(sender)
        tell(to, ann)
        assert sender.wait() == -9
    with webhook(to, server, tmp_path) as sender:
        tell(to, bob)
        sender.wait_told(": sent\n", 2)
    assert sorted(map(verified, server.requests)) == sorted([ann.trigger_id, ann.trigger_id, bob.trigger_id])


@pytest.mark.parametrize("body", ["json", "form"])
def test_an_sms(to: Deployment, server: Posts, tmp_path: Path, body: str) -> None:
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    ann, bob, cem, dan = (trigger(name) for name in ("ann", "bob", "cem", "dan"))
    fields = ("--field", "To={to}", "--field", "Body={text}", "--field", "From={shop}", "--field", "Ref={trigger_id}")
    options = ("--url", server.url, "--addresses", str(tmp_path / "customers.csv"), "--body", body, *fields)
    shop = ("--shop-name", "Tea {to}", "--shop-url", "https://shop.example")
    environ = {"SMS_AUTHORIZATION": "Bearer token"}
    with Sender(to, "sms_sender.py", *options, *shop, "--delay", "0s", environ=environ) as sender:
        tell(to, bob, cem, dan, ann)
        sender.wait_told(": sent\n")
        assert ": no phone\n" in sender.told
        letters = sender.dead_letters("sms-sender.dead-letters")
    assert [letter.headers["offbeat_reason"] for letter in letters] == [
        b"the customer's phone is not a number that begins with + and the country",
        b"the addresses do not know the customer",
    ]
    (request,) = server.requests
    content = request.body.decode()
    found = json.loads(content) if body == "json" else {name: one for name, (one,) in parse_qs(content).items()}
    assert found == {
        "To": "+4915112345678",
        "Body": "Tea {to}: your cart is still here: https://shop.example",
        "From": "{shop}",
        "Ref": ann.trigger_id,
    }
    assert request.headers["authorization"] == "Bearer token"
    assert request.headers["idempotency-key"] == ann.trigger_id
