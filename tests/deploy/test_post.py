"""POST against a real server: what each answer means, signatures, and that nothing of customers or secrets is told."""

import json
import socket
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from errors import AwayError, LaterError, NeverError, StopError, UnsureError, UsageError
from post import LONGEST_WAIT_SECONDS, Endpoint, Signer, header_text, seconds_after, url_of
from streams.brokers.embedded import free_port
from tests.support.posts import Answer, Posts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
BODY = b'{"customer_id": "ann"}'


def post(server: Posts, *, safe: bool = False, timeout: float = 5.0) -> None:
    Endpoint(server.url + "/hook?key=value", timeout, safe, clock=lambda: NOW).post(BODY, {"X-Secret": "hidden"})


def test_what_is_taken_is_sent() -> None:
    with Posts() as server:
        post(server)
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/hook?key=value", BODY)
    assert request.headers["x-secret"] == "hidden"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, NeverError) for status in (301, 302, 307, 400, 404, 405, 410, 413, 422)),
        *((status, StopError) for status in (401, 403, 407)),
        *((status, AwayError) for status in (429, 502, 503, 504)),
        *((status, LaterError) for status in (408, 409, 425, 500, 501)),
    ],
)
def test_what_an_answer_means(status: int, error: type[Exception]) -> None:
    """A redirection is not followed: it would make a GET of it, or take it to another host."""
    with Posts(lambda _request: Answer(status, {"Location": "/elsewhere"})) as server:
        with pytest.raises(error, match=f"^HTTP status {status}") as raised:
            post(server)
        assert type(raised.value) is error
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 503, 500])
def test_what_it_asks_to_wait_for(status: int) -> None:
    with Posts(lambda _request: Answer(status, {"Retry-After": "77"})) as server, pytest.raises(LaterError) as raised:
        post(server)
    assert raised.value.after == 77


def test_seconds_or_a_date() -> None:
    later = format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)
    before = format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True)
    assert [seconds_after(text, NOW) for text in ("5", later, before, None, "", "soon", "-5", "1e9")] == [
        *(5, 90, 0, 0, 0, 0, 0, 0)
    ]
    assert seconds_after("9" * 400, NOW) in {0.0, LONGEST_WAIT_SECONDS}
    assert seconds_after("99999999", NOW) == LONGEST_WAIT_SECONDS


def test_nobody_there() -> None:
    with pytest.raises(AwayError, match=r"no connection to 127\.0\.0\.1"):
        Endpoint(f"http://127.0.0.1:{free_port()}/").post(BODY, {})


@pytest.mark.parametrize(("safe", "error"), [(False, UnsureError), (True, AwayError)])
def test_an_answer_that_does_not_come(safe: bool, error: type[Exception]) -> None:
    """Whether it was taken nobody knows; who knows messages by their id may simply have it again."""
    with Posts(lambda _request: None) as server, pytest.raises(error):
        post(server, safe=safe)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(error, match="TimeoutError"):
        Endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.05, safe).post(BODY, {})


# --- signatures ------------------------------------------------------------------------------------------------------

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_of_standard_webhooks() -> None:
    found = Signer(SECRET).headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330.9)
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_secrets_are_changed_each_signs() -> None:
    other = "whsec_" + "A" * 32
    both = Signer(f"{other}\n{SECRET}\n").headers("id", BODY, NOW)["webhook-signature"].split(" ")
    assert both == [Signer(one).headers("id", BODY, NOW)["webhook-signature"] for one in (other, SECRET)]


@pytest.mark.parametrize("secret", ["whsec_short", "not base64 at all!", "whsec_" + "A" * 100, "password"])
def test_a_malformed_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(UsageError, match="base64 of 24 to 64 bytes") as raised:
        Signer(secret)
    assert secret not in str(raised.value)


# --- texts of customers in headers, and URLs ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ann", "a\r\nX-Evil: 1", 'say "hi" 100%', "Größe €", "\x00\x7f\x1b[2J", "\ud800"])
def test_any_text_is_a_harmless_header(text: str) -> None:
    found = header_text(text)
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found
    with Posts() as server:
        Endpoint(server.url).post(BODY, {"ce-subject": found})
    assert server.requests[0].headers["ce-subject"] == found
    assert "x-evil" not in server.requests[0].headers


def test_as_cloudevents_has_it() -> None:
    assert header_text('Euro € 😀 "%"') == "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22%25%22"
    assert header_text("cart.abandoned") == "cart.abandoned"


@pytest.mark.parametrize("url", ["", "ftp://host/", "shop.example/hook", "file:///etc/passwd", "https:///path"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="--url: give a URL"):
        url_of(url, "--url")


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="holds a password") as raised:
        url_of("https://user:hidden@host/", "--url")
    assert "hidden" not in str(raised.value)
    assert json.loads(BODY)["customer_id"] not in str(raised.value)
