"""A sender of SMS, by any provider that takes an HTTP POST: `python sms_sender.py --url URL --addresses customers.csv`.

The fields of its body are options, `{to}`, `{text}` and `{trigger_id}` in them are filled in. For Twilio:
`--body form --field To={to} --field Body={text} --field From=+15550100`. The trigger_id is the Idempotency-Key.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from addresses import Addresses, addresses_of, field
from errors import NeverError, UsageError
from message import Message, line
from options import Settings, duration, one_of, secret
from post import Endpoint, Signer, url_of
from running import run
from wording import FOLDER, Wording

FIELDS = ("to={to}", "text={text}", "reference={trigger_id}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_PLACE = re.compile(r"\{(to|text|trigger_id)\}")


def settings() -> Settings:
    found = Settings("SMS", "Send triggers as SMS, each once.")
    found.setting("--url", "", "where the provider takes messages")
    found.setting("--body", "json", "how the fields are sent", kind=one_of("json", "form"))
    found.add_argument("--field", action="append", metavar="NAME=VALUE", help=f"of the body; {' '.join(FIELDS)}")
    found.setting("--addresses", None, "CSV file or URL: phone by customer_id")
    found.setting("--templates", str(FOLDER), "the folder of what is said")
    found.setting("--shop-name", "the shop", "")
    found.setting("--shop-url", "", "")
    found.setting("--timeout", "10s", "for connecting, and for an answer", kind=duration)
    return found


def make(options: argparse.Namespace) -> Callable[[Message], None]:
    """What sends one. UsageError."""
    fields = dict(one.split("=", 1) for one in options.field or FIELDS if "=" in one)
    if len(fields) < len(options.field or FIELDS):
        raise UsageError("--field: give NAME=VALUE, each name once")
    wording, authorization = Wording(Path(options.templates)), secret("SMS_AUTHORIZATION")
    addresses = addresses_of(options.addresses, "SMS_ADDRESSES_AUTHORIZATION")
    signer = Signer(found) if (found := secret("SMS_SECRET")) else None
    endpoint = Endpoint(url_of(options.url, "--url"), options.timeout)
    options.types = wording.types if options.types is None else options.types
    shop = {"name": options.shop_name, "url": options.shop_url}

    def send(message: Message) -> None:
        to, text = sms(message, addresses, wording, shop)
        body = encoded(fields, {"to": to, "text": text, "trigger_id": message.trigger_id}, options.body)
        headers = {"Content-Type": TYPES[options.body], "Idempotency-Key": message.trigger_id}
        if authorization:
            headers["Authorization"] = authorization
        if signer:
            headers |= signer.headers(message.trigger_id, body, endpoint.clock())
        endpoint.post(body, headers)

    return send


TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


def sms(message: Message, addresses: Addresses, wording: Wording, shop: Mapping[str, str]) -> tuple[str, str]:
    """Number (E.164) and text. Raises NeverError, and what the addresses do."""
    customer = addresses.find(message.customer_id)
    number = re.sub(r"[\s()./-]", "", field(customer, "phone"))
    if not _NUMBER.fullmatch(number):
        raise NeverError("the customer's phone is not a number that begins with + and the country")
    return number, line(wording.say("sms", message.type, trigger=message.value, customer=customer, shop=shop))


def encoded(fields: Mapping[str, str], values: Mapping[str, str], how: str) -> bytes:
    """The body. Each value is filled in once: what a text holds is not looked at again."""
    filled = {name: _PLACE.sub(lambda found: values[found[1]], value) for name, value in fields.items()}
    return (urlencode(filled) if how == "form" else json.dumps(filled)).encode()


if __name__ == "__main__":
    sys.exit(run(settings().parse_args(), make))
