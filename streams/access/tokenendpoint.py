"""Asks a token endpoint for a token, with client credentials (RFC 6749, sections 4.4 and 5)."""

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from streams.access.tokens import Token, TokenError, TokenRefusedError, checked, expiry

ASK_SECONDS = 10.0
_LONGEST_ANSWER = 1 << 18
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Answer(msgspec.Struct):
    access_token: str = ""
    expires_in: float | None = None
    error: str = ""


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the secret elsewhere."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        return None


def problem(url: str) -> str | None:
    """What is wrong with the address of an endpoint, and how to mend it; None when nothing is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is no URL; give one such as https://login.example.com/oauth2/token"
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
        return "is no URL of an endpoint; give one such as https://login.example.com/oauth2/token"
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        return "would send the secret unencrypted; give an https URL (http is for this machine alone)"
    return None


def from_endpoint(url: str, user: str, secret: str, scope: str, ca: Path | None) -> Token:
    """A new token. `ca`: trusted besides the system's. Raises TokenError, and TokenRefusedError after a plain no."""
    form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
    basic = base64.b64encode(f"{user}:{secret}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - `problem` has looked at the scheme
        url, urlencode(form).encode(), {"Authorization": f"Basic {basic}", "Accept": "application/json"}
    )
    opener = urllib.request.build_opener(_StayHere, urllib.request.HTTPSHandler(context=_context(ca)))
    began = time.time()
    try:
        with opener.open(request, timeout=ASK_SECONDS) as answer:
            body = answer.read(_LONGEST_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(url, error) from None
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "reason", error)
        text = getattr(why, "verify_message", None) or getattr(why, "strerror", None) or type(why).__name__
        raise TokenError(f"security.token_url: {url} cannot be asked: {text}; check it, and the way there") from None
    try:
        told = msgspec.json.decode(body, type=_Answer)
    except msgspec.MsgspecError:
        raise TokenError(f"security.token_url: {url} does not answer as a token endpoint does (RFC 6749)") from None
    expires = expiry(told.access_token) if told.expires_in is None else began + told.expires_in
    return checked("token_url", Token(told.access_token, expires))


def _refused(url: str, error: urllib.error.HTTPError) -> TokenError:
    if error.code not in (400, 401, 403):
        return TokenError(f"security.token_url: {url} answers with {error.code}; check it")
    why = ""
    with suppress(msgspec.MsgspecError, OSError):
        why = msgspec.json.decode(error.read(_LONGEST_ANSWER), type=_Answer).error[:40]
    shown = f"{error.code} {why}" if why and why.isascii() and why.isprintable() else str(error.code)
    return TokenRefusedError(
        f"security.token_url: {url} gives no token ({shown}); check user, password and scope in OFFBEAT_SECURITY_*"
    )


def _context(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ValueError):
            raise TokenRefusedError(f"security.ca: {ca} cannot be used; give a readable PEM file") from None
    return context
