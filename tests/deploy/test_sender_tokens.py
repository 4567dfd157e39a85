"""Tokens of the senders: from each source, used for a while, shown nowhere; and a log-in to real brokers with one."""

import ssl
import sys
from pathlib import Path

import pytest

from errors import UsageError
from running import kafka_security
from streams.access.security import Security
from tests.support.secured import SecuredKafka, token, write_token
from tests.support.sending import Sender, tell, trigger
from tests.support.tokenserver import TokenServer
from tests.support.workers import deploy
from tokens import TokenError, Tokens, tokens


def source(**settings: str) -> Tokens:
    return tokens({f"OFFBEAT_SECURITY_{name.upper()}": value for name, value in settings.items()}, None)


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    found = source(token_file=str(file))
    with pytest.raises(TokenError, match="cannot be read: No such file"):
        found.token()
    for user in ("alice", "bob"):
        write_token(file, user)
        assert found.token() == file.read_text().strip()
    file.write_text("two words")
    with pytest.raises(TokenError, match="gave no token"):
        found.token()


def test_a_program_is_run_once_a_minute(tmp_path: Path) -> None:
    count = tmp_path / "count"
    program = tmp_path / "program.py"
    program.write_text(f"open({str(count)!r}, 'a').write('x'); print('a.b.c')")
    found = source(token_command=f"{sys.executable} {program}")
    now = [1000.0]
    found._clock = lambda: now[0]
    for seconds, runs in ((0, 1), (59, 1), (2, 2)):
        now[0] += seconds
        assert (found.token(), len(count.read_text())) == ("a.b.c", runs)
    program.write_text("raise SystemExit(3)")
    now[0] += 100
    with pytest.raises(TokenError, match="CalledProcessError") as raised:
        found.token()
    assert "program.py" not in str(raised.value)


def test_an_endpoint_is_asked_when_four_fifths_are_over() -> None:
    with TokenServer("alice", "right-one", 100.0) as server:
        found = source(token_url=server.url, user="alice", password="right-one", scope="orders")
        now = [1000.0]
        found._clock = lambda: now[0]
        for seconds, asked in ((0, 1), (79, 1), (2, 2)):
            now[0] += seconds
            assert (found.token(), len(server.asked)) == (server.given[-1], asked)
        assert server.asked[0] == {"grant_type": ["client_credentials"], "scope": ["orders"]}
        wrong = source(token_url=server.url, user="alice", password="wrong-one")
        with pytest.raises(TokenError, match="gives no token: 401") as raised:
            wrong.token()
        assert "wrong-one" not in str(raised.value)
        server.answer = 200, b"[]"
        with pytest.raises(TokenError, match="gives no token: AttributeError"):
            wrong.token()
        server.answer, server.location = (302, b""), "http://127.0.0.1:9/elsewhere"
        with pytest.raises(TokenError, match="gives no token: 302"):
            wrong.token()
    with pytest.raises(TokenError, match="gives no token: ConnectionRefusedError"):
        wrong.token()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "give one of TOKEN_FILE, TOKEN_COMMAND, TOKEN_URL"),
        ({"token_file": "a", "token_url": "https://b/"}, "give one of"),
        ({"token_url": "https://b/"}, "TOKEN_URL needs USER and PASSWORD"),
        ({"token_url": "http://b/", "user": "u", "password": "p"}, "give an https URL"),
    ],
)
def test_what_is_wrong_is_one_line(settings: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        source(**settings)


def test_it_goes_with_the_workers_settings(tmp_path: Path) -> None:
    """The same variables make a worker's and a sender's client alike."""
    file = write_token(tmp_path / "token", "alice")
    environ = {"PROTOCOL": "SASL_SSL", "MECHANISM": "OAUTHBEARER", "TOKEN_FILE": file}
    found = kafka_security({f"OFFBEAT_SECURITY_{name}": value for name, value in environ.items()})
    security = Security(protocol="SASL_SSL", mechanism="OAUTHBEARER", token_file=Path(file))
    theirs = security.client_options(blocking=True)
    assert found.keys() == theirs.keys()
    assert isinstance(found["ssl_context"], ssl.SSLContext)
    assert found["sasl_oauth_token_provider"].token() == theirs["sasl_oauth_token_provider"].token()


def test_a_sender_logs_in_with_tokens_of_an_endpoint(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    to = deploy(secured_kafka, partitions="1")
    with TokenServer("alice", "right-one") as server:
        login = {"mechanism": "OAUTHBEARER", "token_url": server.url, "user": "alice", "password": "right-one"}
        environ = secured_kafka.environment(to, **login)
        with Sender(to, "print_sender.py", "--table", str(tmp_path / "ids.db"), environ=environ) as sender:
            tell(to, trigger("ann"))
            sender.wait_told(": sent\n")
            assert sender.stop() == 0
            told = sender.told
        assert server.given
    assert "right-one" not in told
    assert token("alice")[:20] not in told
