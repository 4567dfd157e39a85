"""Tokens for OAUTHBEARER, by the worker's settings: of a file, of a program, or of a token endpoint (RFC 6749, 4.4).

A file is read for each new connection. Other tokens are used for four fifths of their life, or for a minute when nobody
tells how long that is. No token is in any message. Without a token the brokers count as away: kafka-python tries again.
"""

import base64
import json
import shlex
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from kafka.net.sasl.oauth import AbstractTokenProvider

from errors import UsageError
from options import secret

SECONDS = 10.0
"""So long a program or an endpoint may take."""
UNTOLD_SECONDS = 60.0
SOURCES = ("TOKEN_FILE", "TOKEN_COMMAND", "TOKEN_URL")


class TokenError(OSError):
    """There is no token now; one line."""


class Tokens(AbstractTokenProvider):  # type: ignore[misc] # it ships no types
    """One for all clients of a sender. `fetch` gives a token, and for how many seconds it is good; None: not told."""

    def __init__(self, fetch: Callable[[], tuple[str, float | None]], clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._token, self._renew = "", 0.0

    def token(self) -> str:
        with self._lock:
            now = self._clock()
            if now >= self._renew:
                self._token, seconds = self._fetch()
                self._renew = now + (UNTOLD_SECONDS if seconds is None else 0.8 * seconds)
            return self._token


def tokens(environ: Mapping[str, str], context: ssl.SSLContext | None) -> Tokens:
    """By OFFBEAT_SECURITY_TOKEN_FILE, _TOKEN_COMMAND or _TOKEN_URL (with USER, PASSWORD, SCOPE). UsageError."""
    given = [name for name in SOURCES if environ.get(f"OFFBEAT_SECURITY_{name}")]
    if len(given) != 1:
        raise UsageError(f"OFFBEAT_SECURITY_: give one of {', '.join(SOURCES)} with OAUTHBEARER")
    told = environ[f"OFFBEAT_SECURITY_{given[0]}"]
    if given[0] == "TOKEN_FILE":
        return Tokens(lambda: (_of_file(Path(told)), 0.0))
    if given[0] == "TOKEN_COMMAND":
        return Tokens(lambda: (_of_command(shlex.split(told)), None))
    user, password = environ.get("OFFBEAT_SECURITY_USER"), secret("OFFBEAT_SECURITY_PASSWORD", environ)
    if not user or not password:
        raise UsageError("OFFBEAT_SECURITY_: TOKEN_URL needs USER and PASSWORD (or _FILE)")
    parts = urlsplit(told)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        raise UsageError("OFFBEAT_SECURITY_TOKEN_URL: give an https URL (http is for this machine alone)")
    scope = environ.get("OFFBEAT_SECURITY_SCOPE", "")
    return Tokens(lambda: _of_endpoint(told, (user, password), scope, context))


def _of_file(file: Path) -> str:
    try:
        return _checked("TOKEN_FILE", file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, TokenError):
            raise
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise TokenError(f"OFFBEAT_SECURITY_TOKEN_FILE: {file} cannot be read: {why}") from None


def _of_command(words: list[str]) -> str:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=SECONDS
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise TokenError(f"OFFBEAT_SECURITY_TOKEN_COMMAND: {words[0]}: {type(error).__name__}") from None
    return _checked("TOKEN_COMMAND", done.stdout)


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the secret elsewhere."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        return None


def _of_endpoint(
    url: str, login: tuple[str, str], scope: str, context: ssl.SSLContext | None
) -> tuple[str, float | None]:
    form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
    basic = base64.b64encode(":".join(login).encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - `tokens` has looked at the scheme
        url, urlencode(form).encode(), {"Authorization": f"Basic {basic}", "Accept": "application/json"}
    )
    opener = urllib.request.build_opener(_StayHere, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            told = json.loads(answer.read(1 << 18))
        seconds = told.get("expires_in")
        return _checked("TOKEN_URL", str(told["access_token"])), None if seconds is None else float(seconds)
    except TokenError:
        raise
    except urllib.error.HTTPError as error:
        with error:
            raise TokenError(f"OFFBEAT_SECURITY_TOKEN_URL: {url} gives no token: {error.code}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = type(getattr(error, "reason", error)).__name__
        raise TokenError(f"OFFBEAT_SECURITY_TOKEN_URL: {url} gives no token: {why}") from None


def _checked(source: str, text: str) -> str:
    token = text.strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise TokenError(f"OFFBEAT_SECURITY_{source}: gave no token")
    return token
