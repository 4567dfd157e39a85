"""Tokens: where they come from, how long they are used, and what is said when there is none."""

import asyncio
import base64
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.access.security import Security, token_source
from streams.access.tokenendpoint import from_endpoint
from streams.access.tokens import Token, TokenError, TokenRefusedError, Tokens, expiry, from_command, from_file
from streams.brokers.embedded import free_port
from tests.support.secured import token, write_token
from tests.support.tokenserver import TokenServer

SECRET = "s3cr3t-Pass"


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer("shop", SECRET) as found:
        yield found


def refused(what: Callable[[], object], kind: type[TokenError] = TokenError) -> str:
    with pytest.raises(TokenError) as found:
        what()
    assert type(found.value) is kind
    assert SECRET not in str(found.value)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_the_expiry_of_a_token_is_read_where_it_tells() -> None:
    good = token("a", 60)
    found = expiry(good)
    assert found is not None
    assert (expiry("opaque"), expiry("a.b.c"), expiry(f"a.{base64.urlsafe_b64encode(b'[1]').decode()}.c")) == (
        None,
    ) * 3


def test_a_token_is_used_for_most_of_its_life() -> None:
    now, fetched = [1000.0], [0]

    def fetch() -> Token:
        fetched[0] += 1
        return Token(f"t{fetched[0]}", now[0] + 100)

    tokens = Tokens(fetch, lambda: now[0])
    assert [tokens.current() for _ in range(3)] == ["t1"] * 3
    now[0] += 79
    assert tokens.current() == "t1"
    now[0] += 2
    assert tokens.current() == "t2"


def test_a_token_that_cannot_be_renewed_is_used_to_its_end() -> None:
    now, away = [1000.0], [False]

    def fetch() -> Token:
        if away[0]:
            raise TokenError("away")
        return Token("t", now[0] + 100)

    tokens = Tokens(fetch, lambda: now[0])
    tokens.current()
    now[0], away[0] = 1099, True
    assert tokens.current() == "t"
    now[0] = 1100
    assert refused(tokens.current) == "away"


def test_a_token_that_does_not_tell_its_end_is_used_for_a_minute() -> None:
    now, fetched = [0.0], iter("abc")
    tokens = Tokens(lambda: Token(next(fetched), None), lambda: now[0])
    assert [(tokens.current(), now.__setitem__(0, now[0] + 40))[0] for _ in range(4)] == ["a", "a", "b", "b"]


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    current = token_source(Security(protocol="SASL_SSL", mechanism="OAUTHBEARER", token_file=file))
    assert refused(current).startswith(f"security.token_file: {file} cannot be read: No such file")
    for user in ("a", "b"):
        write_token(file, user)
        assert current() == file.read_text().strip()
    write_token(file, "c", -5)
    assert refused(current) in {f"security.token_file: the token expired {n} s ago; renew it" for n in (5, 6)}
    file.write_text("one\x01two")
    assert refused(lambda: from_file(file)) == "security.token_file: gave no token, but 7 characters of something else"


def test_a_program_prints_a_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    write_token(file, "a")
    assert from_command(f"cat {file}").text == file.read_text().strip()
    assert refused(lambda: from_command("echo one two")).endswith("gave no token, but 7 characters of something else")


def test_a_program_that_gives_no_token_is_told() -> None:
    python = f"{sys.executable} -c"
    assert refused(lambda: from_command("/no/such --key s3cr3t-Pass"), TokenRefusedError) == (
        "security.token_command: /no/such cannot be run: No such file or directory"
    )
    told = refused(lambda: from_command(f"""{python} 'import sys; sys.exit("{SECRET}")'"""))
    assert told == f"security.token_command: {sys.executable} ended with 1; run it by hand to see why"
    told = refused(lambda: from_command(f"""{python} 'import sys; sys.stdout.buffer.write(b"\\xff")'"""))
    assert told == f"security.token_command: {sys.executable} printed what is not text"
    assert refused(lambda: from_command(f"{python} pass")).startswith("security.token_command: gave no token, but 0")


def test_one_token_is_asked_for_by_all_clients(server: TokenServer) -> None:
    def made() -> Security:
        return Security(
            protocol="SASL_PLAINTEXT",
            mechanism="OAUTHBEARER",
            user="shop",
            password=SECRET,
            token_url=server.url,
            scope="kafka:write",
        )

    provider = made().client_options(blocking=True)["sasl_oauth_token_provider"]
    awaited = made().client_options()["sasl_oauth_token_provider"]
    assert provider.token() == asyncio.run(awaited.token())
    assert server.asked == [{"grant_type": ["client_credentials"], "scope": ["kafka:write"]}]


def test_what_an_endpoint_says_instead(server: TokenServer, tmp_path: Path) -> None:
    def ask(secret: str = SECRET, url: str = server.url) -> Token:
        return from_endpoint(url, "shop", secret, "", None)

    about = f"security.token_url: {server.url}"
    assert refused(lambda: ask("wrong"), TokenRefusedError) == (
        f"{about} gives no token (401 invalid_client); check user, password and scope in OFFBEAT_SECURITY_*"
    )
    server.answer = 400, b'{"error": "\\u001b[31mred"}'
    assert "gives no token (400); check" in refused(ask, TokenRefusedError)
    server.answer = 503, SECRET.encode()
    assert refused(ask) == f"{about} answers with 503; check it"
    server.answer, server.location = (302, b""), "http://127.0.0.1:1/elsewhere"
    assert refused(ask) == f"{about} answers with 302; check it"
    server.location = ""
    for body in (b"<html>", b'{"access_token": 5}', b"[]"):
        server.answer = 200, body
        assert refused(ask) == f"{about} does not answer as a token endpoint does (RFC 6749)"
    server.answer = 200, b"{}"
    assert refused(ask).startswith("security.token_url: gave no token, but 0 characters")
    gone = f"http://127.0.0.1:{free_port()}/"
    assert f"{gone} cannot be asked: Connection refused; check" in refused(lambda: ask(url=gone))
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    told = refused(lambda: from_endpoint(server.url, "shop", SECRET, "", junk), TokenRefusedError)
    assert told == f"security.ca: {junk} cannot be used; give a readable PEM file"


def test_a_secret_that_is_being_changed_is_waited_for(server: TokenServer, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    current = token_source(Security(user="shop", password_file=file, token_url=server.url))
    assert refused(current).startswith(f"security.password_file: {file} cannot be read")
    file.write_text(f"{SECRET}\n")
    assert expiry(current())
