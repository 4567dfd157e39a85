"""SMTP against a real server: what each answer means for a trigger, TLS, logging in, connections that end."""

import gc
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from errors import AwayError, LaterError, NeverError, StopError, UnsureError
from mails import Mail
from smtp import Smtp
from streams.brokers.embedded import free_port
from tests.support.certificates import OPENSSL, Authority
from tests.support.mailbox import Mailbox

MAIL = Mail("hello@shop.example", "ann@example.com", b"Subject: Hi\r\n\r\n.\r\n.. dots\r\n", "", "")


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# the server leaves connections with TLS to the garbage collector

Connect = Callable[..., Smtp]


class Tls(NamedTuple):
    """The server's side, and a client's that trusts it."""

    server: ssl.SSLContext
    trusting: ssl.SSLContext


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Tls]:
    if OPENSSL is None:
        pytest.skip("no openssl: apt-get install openssl")
    authority = Authority(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*authority.sign("mail", "IP:127.0.0.1"))
    yield Tls(server, ssl.create_default_context(cafile=authority.ca))
    gc.collect()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as found:
        yield found


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes connections, without TLS unless told otherwise, that are closed in the end."""
    with ExitStack() as stack:
        yield lambda box, **settings: stack.enter_context(
            closing(Smtp("127.0.0.1", box.port, **{"security": "none", "timeout": 5.0, **settings}))
        )


def test_a_mail_goes_as_it_is(connect: Connect, box: Mailbox) -> None:
    smtp = connect(box)
    smtp.deliver(MAIL)
    smtp.deliver(MAIL)
    assert box.raw == [MAIL.data, MAIL.data]
    assert box.recipients == [MAIL.recipient] * 2


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("421 going down", AwayError),
        ("450 greylisted", LaterError),
        ("452 too much", LaterError),
        ("550 no such box", NeverError),
        ("554 no", NeverError),
    ],
)
def test_what_an_answer_means(
    connect: Connect, box: Mailbox, command: str, answer: str, error: type[Exception]
) -> None:
    smtp = connect(box)
    box.on[command] = lambda: answer
    with pytest.raises(error, match=f"^the mail server says {answer[:3]}$") as raised:
        smtp.deliver(MAIL)
    assert type(raised.value) is error
    assert box.mails == []
    box.on.clear()
    smtp.deliver(MAIL)
    assert len(box.mails) == 1


def test_nobody_there() -> None:
    with pytest.raises(AwayError, match=r"no mail server at 127\.0\.0\.1:\d+: Connection refused"):
        Smtp("127.0.0.1", free_port(), "none").deliver(MAIL)


def test_a_connection_that_ended_meanwhile_is_made_anew(connect: Connect) -> None:
    with Mailbox() as first:
        smtp = connect(first)
        smtp.deliver(MAIL)
    with Mailbox() as second:
        smtp.port = second.port
        smtp.deliver(MAIL)
    assert len(first.mails) == len(second.mails) == 1


def test_an_end_that_is_not_told_is_unsure(connect: Connect, box: Mailbox) -> None:
    """The server has it or not; before the data it surely has not."""
    smtp = connect(box, timeout=0.2)
    box.on["STORED"] = box.hang
    with pytest.raises(UnsureError):
        smtp.deliver(MAIL)
    box.on["RCPT"] = box.hang
    with pytest.raises(AwayError):
        smtp.deliver(MAIL)


def test_tls_and_a_password(connect: Connect, tls: Tls) -> None:
    with Mailbox(users={"shop": "hidden"}, context=tls.server) as box:
        smtp = connect(box, security="starttls", user="shop", password="hidden", context=tls.trusting)
        smtp.deliver(MAIL)
        assert len(box.mails) == 1
        with pytest.raises(StopError, match=r"refuses user or password \(535\)") as raised:
            connect(box, security="starttls", user="shop", password="wrong", context=tls.trusting).deliver(MAIL)
        assert "wrong" not in str(raised.value)
        with pytest.raises(NeverError, match="530"):
            connect(box).deliver(MAIL)
        smtp.close()
    assert len(box.mails) == 1
    assert "hidden" not in repr(smtp)


def test_a_server_that_nobody_vouches_for(connect: Connect, tls: Tls) -> None:
    with Mailbox(context=tls.server) as box, pytest.raises(AwayError, match="unable to get local issuer"):
        connect(box, security="starttls", context=ssl.create_default_context()).deliver(MAIL)
    assert box.mails == []


def test_a_server_without_tls(connect: Connect, box: Mailbox) -> None:
    with pytest.raises(StopError, match="STARTTLS extension not supported"):
        connect(box, security="starttls").deliver(MAIL)
    assert box.mails == []


def test_tls_from_the_start(connect: Connect, tls: Tls) -> None:
    with Mailbox(context=tls.server, tls_first=True) as box:
        smtp = connect(box, security="tls", context=tls.trusting)
        smtp.deliver(MAIL)
        smtp.close()
    assert len(box.mails) == 1
