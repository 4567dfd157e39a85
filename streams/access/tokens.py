"""OAuth tokens by which a client logs in: from a file, from a command, or from a token endpoint; renewed in time.

RFC 6749, section 4.4 (client credentials); the expiry of a JWT is its claim `exp` (RFC 7519). Nothing here verifies a
token: that is the brokers' business. No token and no answer of an endpoint is in any message.
"""

import base64
import binascii
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from streams.access.secretfile import LONGEST, SettingsError, read_secret

COMMAND_SECONDS = 10.0
EARLY = 0.8
"""The share of a token's life after which a new one is fetched."""
UNTOLD_SECONDS = 60.0
"""How long a token is used again whose expiry nobody tells."""
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a token is made of (RFC 6750, section 2.1)."""


class TokenError(OSError):
    """There is no token now; one line. To Kafka's clients that is a broker that cannot be reached: they try again."""


class TokenRefusedError(TokenError):
    """There will be no token until a setting changes."""


class Token(NamedTuple):
    """A token, and when it expires in epoch seconds, if that is known."""

    text: str
    expires: float | None


class _Claims(msgspec.Struct):
    exp: float | None = None


def expiry(text: str) -> float | None:
    """When a JWT expires, in epoch seconds; None of anything else."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(claims, type=_Claims).exp
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None


def from_file(file: Path) -> Token:
    """The token in a file, which somebody else renews. Raises TokenError."""
    try:
        text = read_secret("security.token_file", file)
    except SettingsError as error:  # whoever writes it may be late
        raise TokenError(str(error)) from None
    return checked("token_file", Token(text, expiry(text)))


def from_command(command: str) -> Token:
    """What a program prints; it is run without a shell. Raises TokenError."""
    words = shlex.split(command)
    program = words[0]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise TokenError(f"security.token_command: {program} took more than {COMMAND_SECONDS:.0f} s") from None
    except OSError as error:
        raise TokenRefusedError(f"security.token_command: {program} cannot be run: {error.strerror}") from None
    except ValueError:
        raise TokenError(f"security.token_command: {program} printed what is not text") from None
    if done.returncode:
        raise TokenError(f"security.token_command: {program} ended with {done.returncode}; run it by hand to see why")
    text = done.stdout.strip()
    return checked("token_command", Token(text, expiry(text)))


def checked(key: str, token: Token) -> Token:
    """The token, if it can be sent. Raises TokenError."""
    if len(token.text) > LONGEST or not _BEARER.fullmatch(token.text):
        raise TokenError(f"security.{key}: gave no token, but {len(token.text)} characters of something else")
    if token.expires is not None and token.expires <= time.time():
        raise TokenError(f"security.{key}: the token expired {time.time() - token.expires:.0f} s ago; renew it")
    return token


class Tokens:
    """One token for all clients, from `fetch`, as long as it is young enough. Callable from any thread.

    `fetch` raises TokenError.
    """

    def __init__(self, fetch: Callable[[], Token], clock: Callable[[], float] = time.time) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._token = Token("", 0.0)
        self._renew = 0.0

    def current(self) -> str:
        """A token that has not expired. Raises TokenError."""
        with self._lock:
            now = self._clock()
            if now >= self._renew:
                self._token, self._renew = self._next(now)
            return self._token.text

    def _next(self, now: float) -> tuple[Token, float]:
        try:
            token = self._fetch()
        except TokenError:
            if self._token.expires is not None and now < self._token.expires:
                return self._token, self._renew  # good for a while yet
            raise
        left = UNTOLD_SECONDS if token.expires is None else EARLY * (token.expires - now)
        return token, now + left
