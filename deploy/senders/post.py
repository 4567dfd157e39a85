"""HTTP POST, and what its answer means for a trigger; signatures as Standard Webhooks 1.0 has them."""

import base64
import binascii
import hmac
import http.client
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from errors import AwayError, LaterError, NeverError, StopError, UnsureError, UsageError

LONGEST_WAIT_SECONDS = 3600.0
"""Of what a Retry-After may ask for."""
_LONGEST_ANSWER = 1 << 20
_BUSY = {429, 502, 503, 504}
_CREDENTIALS = {401, 403, 407}
_AGAIN = {408, 409, 425}


class Signer:
    """Makes the headers webhook-id, webhook-timestamp and webhook-signature.

    :param secrets: one a line, base64 of 24 to 64 bytes, with `whsec_` before it; the first is the newest, and with
        several of them each signs, so that receivers may change over one by one. UsageError when one is malformed
    """

    def __init__(self, secrets: str) -> None:
        self._keys = [_key(line) for line in secrets.split()]

    def headers(self, message_id: str, body: bytes, now: float) -> dict[str, str]:
        stamp = str(int(now))
        signed = f"{message_id}.{stamp}.".encode() + body
        signatures = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


def _key(secret: str) -> bytes:
    try:
        found = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        found = b""
    if not 24 <= len(found) <= 64:
        raise UsageError(
            "the webhook secret must be base64 of 24 to 64 bytes, after whsec_; make one as README.md says"
        )
    return found


def url_of(text: str, what: str) -> str:
    """The address of an endpoint, checked; UsageError."""
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise UsageError(f"{what}: give a URL that begins with https:// or http://")
    if parts.username or parts.password:
        raise UsageError(f"{what}: the URL holds a password, which logs would show; give it as a header")
    return text


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        """A POST that is redirected becomes a GET elsewhere: the answer is an error instead."""


_opener = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class Endpoint:
    """Where to POST. `safe_to_repeat`: it knows a message again by its id, so what is unsure is simply sent again."""

    url: str
    timeout: float = 10.0
    safe_to_repeat: bool = False
    clock: Callable[[], float] = time.time

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns when the endpoint has it. Raises the errors of `loop.py`, none of which shows body or headers."""
        request = urllib.request.Request(self.url, body, dict(headers), method="POST")  # noqa: S310 - see url_of
        try:
            with _opener.open(request, timeout=self.timeout) as answer:
                answer.read(_LONGEST_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code, error.headers.get("Retry-After")) from None
        except urllib.error.URLError as error:  # it was not sent as a whole
            raise AwayError(f"no connection to {urlsplit(self.url).hostname}: {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:  # while its answer was awaited
            raise self._unsure(type(error).__name__) from None

    def _unsure(self, why: str) -> Exception:
        return AwayError(why) if self.safe_to_repeat else UnsureError(why)

    def _refusal(self, status: int, retry_after: str | None) -> Exception:
        why = f"HTTP status {status}"
        after = seconds_after(retry_after, self.clock())
        if status in _CREDENTIALS:
            return StopError(f"{why}: the endpoint does not take our credentials; set them right and start again")
        if status in _BUSY:
            return AwayError(why, after)
        if status in _AGAIN or status >= 500:
            return LaterError(why, after)
        return NeverError(why)


def seconds_after(text: str | None, now: float) -> float:
    """A Retry-After, seconds or a date (RFC 9110, section 10.2.3), from `now` on; 0 for what is neither."""
    if text is None:
        return 0.0
    try:
        wait = float(text) if text.strip().isdecimal() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(wait, 0.0), LONGEST_WAIT_SECONDS) if math.isfinite(wait) else 0.0


def header_text(text: str) -> str:
    """A text as the value of a header: CloudEvents' HTTP binding, section 3.1.3.2."""
    plain: Sequence[bool] = [c.isascii() and c.isprintable() and c not in ' "%' for c in text]
    encoded = ("".join(f"%{byte:02X}" for byte in c.encode(errors="replace")) for c in text)
    return "".join(c if keep else code for c, keep, code in zip(text, plain, encoded, strict=True))
