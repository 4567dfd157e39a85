"""A trigger as a mail: RFC 5322, plain text and HTML, with one-click unsubscription (RFC 8058). Sends nothing."""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import quote

from addresses import PLACE, Addresses, field
from errors import NeverError, UsageError
from message import Message, line
from wording import Wording

TOKEN = "{token}"  # noqa: S105 - a place, not a secret
_POLICY = SMTP.clone(cte_type="7bit")  # any server takes it
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST_SUBJECT, _LONGEST_URL = 200, 900
"""Characters. A line of a mail may have 998."""


def address(text: str, display_name: str = "") -> Address:
    """One address, checked; a domain of other letters in its ASCII form. ValueError for anything else."""
    local, at, domain = text.rpartition("@")
    ascii_domain = domain.encode("idna").decode() if domain else ""
    if not (at and _LOCAL.fullmatch(local) and len(ascii_domain) < 254 and _DOMAIN.fullmatch(ascii_domain)):
        raise ValueError("not an address")
    return Address(line(display_name), local, ascii_domain)


def sender_of(text: str) -> Address:
    """`Shop <hello@shop.example>`. UsageError."""
    name, found = parseaddr(text)
    try:
        return address(found, name)
    except ValueError:
        raise UsageError('--from: give the sender\'s address, as in "Shop <hello@shop.example>"') from None


@dataclass(frozen=True)
class Unsubscribe:
    """The page where a customer stops these mails: https, with `{customer_id}` or `{token}` or both.

    `{token}` is the HMAC-SHA256 of the customer_id with `secret`, in base64url without padding: who has it has had such
    a mail. UsageError.
    """

    template: str
    secret: str | None = None

    def __post_init__(self) -> None:
        if not self.template.startswith("https://"):
            raise UsageError("--unsubscribe: give the https:// URL of the page that stops these mails")
        if PLACE not in self.template and TOKEN not in self.template:
            raise UsageError(
                f"--unsubscribe: put {PLACE} or {TOKEN} into the URL, else it does not say whose mails stop"
            )
        if TOKEN in self.template and not self.secret:
            raise UsageError(f"--unsubscribe: {TOKEN} needs a secret: set MAIL_UNSUBSCRIBE_SECRET_FILE")
        if not self.template.isascii() or re.search(r"[\s<>\"\x00-\x20\x7f]", self.template):
            raise UsageError("--unsubscribe: the URL holds characters that must be percent-encoded")

    def url(self, customer_id: str) -> str:
        """NeverError when the id makes it longer than a header may be."""
        found = self.template.replace(TOKEN, self._token(customer_id))
        found = found.replace(PLACE, quote(customer_id, safe="", errors="replace"))
        if len(found) > _LONGEST_URL:
            raise NeverError("the customer_id makes the unsubscribe URL too long")
        return found

    def _token(self, customer_id: str) -> str:
        digest = hmac.digest((self.secret or "").encode(), customer_id.encode(errors="replace"), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True)
class Mail:
    """What SMTP wants: the envelope and the bytes."""

    sender: str
    recipient: str
    data: bytes
    text: str
    html: str


@dataclass(frozen=True)
class Composer:
    """Makes mails of triggers. `shop`: `name` and `url`, for the templates."""

    wording: Wording
    addresses: Addresses
    sender: Address
    unsubscribe: Unsubscribe
    shop: Mapping[str, str]

    def compose(self, message: Message, now: float) -> Mail:
        """The mail of a trigger; `now`: its Date, epoch seconds. Raises NeverError, and what the addresses do."""
        customer = self.addresses.find(message.customer_id)
        try:
            to = address(field(customer, "email"))
        except ValueError:  # the text would be in logs
            raise NeverError("the customer's email is not an address that mail servers take") from None
        stop = self.unsubscribe.url(message.customer_id)
        known = {"trigger": message.value, "customer": customer, "shop": self.shop, "unsubscribe": stop}
        subject, text, html = (self.wording.say(part, message.type, **known) for part in ("subject", "text", "html"))
        mail = EmailMessage(_POLICY)
        mail["From"], mail["To"] = self.sender, to
        mail["Subject"] = line(subject)[:_LONGEST_SUBJECT]
        mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
        mail["Message-ID"] = f"<{message.trigger_id}@{self.sender.domain}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(clean(text))
        mail.add_alternative(clean(html), subtype="html")
        first = f"List-Unsubscribe: <{stop}>\r\n".encode()  # by hand: the library would break a long URL
        return Mail(self.sender.addr_spec, to.addr_spec, first + mail.as_bytes(), text, html)


def clean(text: str) -> str:
    """Without characters that steer terminals or hide text; line breaks and tabs stay, other spaces are plain ones."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " if c.isspace() else "" for c in text)
