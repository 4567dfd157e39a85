"""Mails as bytes: headers that nobody can inject into, texts for every trigger type, what cannot be said."""

import email
import json
import re
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from addresses import Customer
from agents.rulebook.rules import NAMES
from errors import NeverError, SkipError, UsageError
from mails import Composer, Mail, Unsubscribe, address, sender_of
from message import Message, parse
from preview import triggers
from streams.flow.messages import MessageWriter, topic_of
from streams.settings import Settings
from tests.support.sending import SENDERS, trigger
from wording import Wording

CONTRACT = {
    *("repurchase.due", "repurchase.overdue", "first_purchase.lapsed", "loyal.at_risk", "product.replenish_due"),
    *("cart.abandoned", "checkout.abandoned", "browse.abandoned"),
    *("basket.shrunk", "basket.shrinking", "basket.grown"),
    *("first_purchase.made", "feedback.due", "order.milestone", "loyalty.tier_changed", "warranty.expiring"),
}
WORDING = Wording()
NOW = 1_772_366_400.0
EXAMPLES = SENDERS / "templates" / "examples.jsonl"


class One:
    """Everybody has these fields."""

    def __init__(self, **fields: str) -> None:
        self.fields = {"email": "ann@example.com", **fields}

    def find(self, customer_id: str) -> Customer:
        return {"customer_id": customer_id, **self.fields}


TELLING = Wording()
TELLING._found["browse.abandoned"]["subject"] = Environment(autoescape=False).from_string(  # noqa: S701 - a subject
    "{{ customer.first_name }} {{ trigger.evidence.product_id }}"
)
PAGE = "https://shop.example/stop?c={customer_id}"


def composer(wording: Wording = WORDING, *, unsubscribe: str = PAGE, **fields: str) -> Composer:
    stop = Unsubscribe(unsubscribe, "secret of the shop")
    shop = {"name": "Tea & Co", "url": "https://shop.example/?a=1&b=2"}
    return Composer(wording, One(**fields), sender_of("Tea & Co <hello@shop.example>"), stop, shop)


def message(customer: str = "ann", **fields: Any) -> Message:
    row = MessageWriter(Settings()).decision(trigger(customer, **fields))
    return parse(row.value, row.headers)


def read(mail: Mail) -> EmailMessage:
    assert mail.data.isascii()
    assert all(len(line) <= 998 for line in mail.data.split(b"\r\n"))
    assert b"\n" not in mail.data.replace(b"\r\n", b"")
    return email.message_from_bytes(mail.data, policy=default)


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    text = found.get_content()
    assert isinstance(text, str)
    return text


# --- what a mail is --------------------------------------------------------------------------------------------------


def test_headers() -> None:
    sent = message()
    mail = composer().compose(sent, NOW)
    found = read(mail)
    assert (mail.sender, mail.recipient) == ("hello@shop.example", "ann@example.com")
    assert dict(found.items()) == {
        "List-Unsubscribe": "<https://shop.example/stop?c=ann>",
        "From": "Tea & Co <hello@shop.example>",
        "To": "ann@example.com",
        "Subject": "You left something in your cart",
        "Date": "Sun, 01 Mar 2026 12:00:00 +0000",
        "Message-ID": f"<{sent.trigger_id}@shop.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": found["Content-Type"],
    }
    assert found.get_content_type() == "multipart/alternative"
    assert not found.defects


HOSTILE = st.text(
    st.sampled_from("ab@<>,;:\"'\\\r\n\t \x00\x1b\u2028\u202eäß€😀=?&{}%") | st.characters(codec="utf-8"), max_size=60
)


class Tags(HTMLParser):
    """The tags of a page, in order, with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(f"{tag} {[name for name, _ in attrs]}")


@given(customer=HOSTILE.filter(bool), product=HOSTILE, name=HOSTILE)
def test_nothing_can_be_injected(customer: str, product: str, name: str) -> None:
    """By ids, products or names, into headers or mark-up; here the subject holds them too."""
    usual = looked_at("tea", "ann", "Ann")
    found = looked_at(product, customer, name + "x")
    assert found.keys() == usual.keys()
    for header in ("From", "To", "Date", "List-Unsubscribe-Post"):
        assert found[header] == usual[header]
    assert Tags(part(found, "html")).found == Tags(part(usual, "html")).found
    assert not set(part(found, "plain")) & set("\x00\x1b\x7f\u202e")


def looked_at(product: str, customer: str, name: str) -> EmailMessage:
    sent = message(customer, kind="browse.abandoned", evidence={"product_id": product})
    return read(composer(TELLING, first_name=name).compose(sent, NOW))


@pytest.mark.parametrize(
    "to",
    [
        *("ann@example.com\r\nBcc: x@example.com", "ann@example.com, bob@example.com", "ann", "@example.com", "ann@"),
        *(
            "Ann <ann@example.com>",
            "ann@exa mple.com",
            "ann@-example.com",
            "änn@example.com",
            "a" * 65 + "@example.com",
        ),
        *(
            "ann@" + "a." * 130 + "com",
            "ann@example.com\x00",
            '"a b"@example.com',
            "a@b@example.com",
            "ann@ex_ample.com",
        ),
    ],
)
def test_what_is_no_address_gets_no_mail_and_is_not_told(to: str) -> None:
    with pytest.raises(NeverError, match="not an address") as raised:
        composer(email=to).compose(message(), NOW)
    assert to not in str(raised.value)


def test_addresses_of_other_letters() -> None:
    assert address("ann@bücher.example").addr_spec == "ann@xn--bcher-kva.example"
    assert address("ann+tea.o'neil@Example.COM").addr_spec == "ann+tea.o'neil@Example.COM"


def test_an_empty_address_means_none() -> None:
    with pytest.raises(SkipError, match="no email"):
        composer(email=" ").compose(message(), NOW)


def test_names_of_other_letters_in_the_sender() -> None:
    found = sender_of("Bücher, Tee & mehr <hello@shop.example>".replace(",", ""))
    assert (found.display_name, found.addr_spec) == ("Bücher Tee & mehr", "hello@shop.example")
    with pytest.raises(UsageError, match="--from"):
        sender_of("Shop")


# --- unsubscribing ---------------------------------------------------------------------------------------------------


def test_a_token_that_cannot_be_guessed() -> None:
    stop = Unsubscribe("https://shop.example/stop/{token}?c={customer_id}", "secret of the shop")
    other = Unsubscribe("https://shop.example/stop/{token}?c={customer_id}", "another")
    assert re.fullmatch(r"https://shop\.example/stop/[A-Za-z0-9_-]{43}\?c=a%20n", stop.url("a n"))
    assert len({stop.url("ann"), other.url("ann"), stop.url("bob")}) == 3
    assert stop.url("ann") == stop.url("ann")


def test_a_long_url_stays_one_line() -> None:
    found = read(composer(unsubscribe="https://shop.example/" + "a" * 300 + "?c={customer_id}").compose(message(), NOW))
    assert found["List-Unsubscribe"] == "<https://shop.example/" + "a" * 300 + "?c=ann>"


@pytest.mark.parametrize(
    ("template", "secret", "why"),
    [
        ("http://shop.example/?c={customer_id}", None, "give the https"),
        ("https://shop.example/stop", None, "put {customer_id} or {token}"),
        ("https://shop.example/{token}", None, "needs a secret"),
        ("https://shop.example/>\r\nBcc: x{customer_id}", None, "percent-encoded"),
        ("https://shöp.example/{customer_id}", None, "percent-encoded"),
    ],
)
def test_pages_that_are_refused(template: str, secret: str | None, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)):
        Unsubscribe(template, secret)


# --- what is said ----------------------------------------------------------------------------------------------------


def test_there_is_something_to_say_about_every_trigger() -> None:
    assert set(NAMES) <= CONTRACT
    assert WORDING.types == CONTRACT
    assert [found.type for found in triggers(EXAMPLES)] == sorted(CONTRACT)


@pytest.mark.parametrize("example", list(triggers(EXAMPLES)), ids=lambda found: found.type)
@pytest.mark.parametrize("name", ["", "Ann"])
def test_every_mail_and_sms_says_something(example: Message, name: str) -> None:
    found = read(composer(first_name=name).compose(example, NOW))
    text, shown = part(found, "plain"), part(found, "html")
    assert text.startswith(f"Hello {name},\r\n\r\n" if name else "Hello,\r\n\r\n")
    assert "No more mails like this: https://shop.example/stop?c=ann" in text.replace("\r\n", "\n")
    assert "Tea &amp; Co" in shown
    assert 'href="https://shop.example/?a=1&amp;b=2"' in shown
    shop = {"name": "S", "url": "U"}
    sms = WORDING.say("sms", example.type, trigger=example.value, customer={}, shop=shop)
    for said in (found["Subject"], text, shown, sms):
        assert len(said) > 5
        assert not re.search(r"[{}]|None|Undefined", re.sub(r'style="[^"]*"', "", said))
    assert "\r\n\r\n\r\n" not in text.replace("\r\n \r\n", "\r\n\r\n\r\n")


def test_examples_are_such_as_the_worker_sends() -> None:
    """Fields of the value, and the topic: those of a trigger; the worker's own types are decided by the worker."""
    fields = set(json.loads(MessageWriter(Settings()).decision(trigger("ann", order_id="1")).value or b""))
    for line in EXAMPLES.read_text().splitlines():
        value = json.loads(line)
        assert {"topic", "ce_type"} <= set(value) <= fields | {"topic", "ce_type"}
        if value["type"] in NAMES:
            assert value["topic"] == topic_of(trigger("ann", kind=value["type"]))


def test_a_cart_in_both_parts() -> None:
    items = [
        {"product_id": "Earl <Grey>", "quantity": 2.0, "price": 4.5, "category": None},
        {"product_id": "pot", "quantity": 1.5, "price": None, "category": None},
    ]
    found = read(composer().compose(message(cart={"items": items}), NOW))
    assert "  2 x Earl <Grey>  4.50\r\n  1.5 x pot\r\n" in part(found, "plain")
    assert "2 × Earl &lt;Grey&gt;" in part(found, "html")
    assert "together" not in part(found, "plain")


def test_what_a_template_misses_is_told(tmp_path: Path) -> None:
    (tmp_path / "cart.abandoned.toml").write_text('subject = "{{ customer.city }}"\ntext = ""\n')
    with pytest.raises(NeverError, match=r"template subject of cart\.abandoned: .*city"):
        composer(Wording(tmp_path)).compose(message(), NOW)
    (tmp_path / "cart.abandoned.toml").write_text('subject = "s"\ntext = "t"\n')
    with pytest.raises(NeverError, match=r"no template html of cart\.abandoned"):
        composer(Wording(tmp_path)).compose(message(), NOW)
    with pytest.raises(NeverError, match=r"no template subject of basket\.grown"):
        composer(Wording(tmp_path)).compose(message(kind="basket.grown"), NOW)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('subject = "{% if %}"', r"cart\.abandoned\.toml: subject: line 1: "),
        ('text = "{{ a"', r"cart\.abandoned\.toml: text: line 1: "),
        ('title = "a"', r"cart\.abandoned\.toml: title is not a text called subject, text, html, sms"),
        ("subject = 3", r"cart\.abandoned\.toml: subject is not a text"),
        ("subject = ", r"cart\.abandoned\.toml: Invalid value"),
    ],
)
def test_templates_that_are_wrong_are_told_at_the_start(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError, match="holds no templates"):
        Wording(tmp_path)
    (tmp_path / "cart.abandoned.toml").write_text(text)
    with pytest.raises(UsageError, match=why):
        Wording(tmp_path)
