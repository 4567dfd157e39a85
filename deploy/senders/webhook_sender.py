"""A sender that POSTs each trigger to a URL, signed: `WEBHOOK_SECRET_FILE=secret python webhook_sender.py --url URL`.

The body is the message's value, the headers `ce-*` are those of CloudEvents' HTTP binding, `webhook-*` those of
Standard Webhooks. Receivers know a message again by `webhook-id`. A trigger that is cancelled after it was sent brings
a second message.
"""

import argparse
import sys
from collections.abc import Callable

from errors import UsageError
from message import Message
from options import Settings, duration, secret
from post import Endpoint, Signer, header_text, url_of
from running import run


def settings() -> Settings:
    found = Settings("WEBHOOK", "Post triggers to a URL, each once, signed.", delay="0s")
    found.setting("--url", "", "where to")
    found.setting("--timeout", "10s", "for connecting, and for an answer", kind=duration)
    return found


def make(options: argparse.Namespace) -> Callable[[Message], None]:
    """What sends one. UsageError."""
    secrets = secret("WEBHOOK_SECRET")
    if secrets is None:
        raise UsageError("WEBHOOK_SECRET_FILE or WEBHOOK_SECRET is missing: what the messages are signed with")
    signer = Signer(secrets)
    endpoint = Endpoint(url_of(options.url, "--url"), options.timeout, safe_to_repeat=True)

    def send(message: Message) -> None:
        events = {
            name.replace("_", "-", 1): header_text(value.decode(errors="replace"))
            for name, value in message.headers.items()
            if name.startswith("ce_") and name.isascii() and name.isidentifier()
        }
        signed = signer.headers(message.ce_id, message.body, endpoint.clock())
        endpoint.post(message.body, {"content-type": "application/json", **events, **signed})

    return send


if __name__ == "__main__":
    sys.exit(run(settings().parse_args(), make, recalls=True))
