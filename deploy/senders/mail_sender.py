"""A sender of e-mail over SMTP: `python mail_sender.py --smtp mail.example:587 --addresses customers.csv ...`.

`--preview TRIGGERS.jsonl` writes the mails of those triggers to the terminal, or with `--out DIR` to files, and sends
none. Such files are made by `offbeat backtest --triggers`; `templates/examples.jsonl` has one of each type.
"""

import argparse
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path

from addresses import Addresses, addresses_of
from errors import UsageError
from mails import Composer, Unsubscribe, sender_of
from message import Message
from options import Settings, duration, one_of, secret
from preview import Anybody, preview
from running import guarded, run
from smtp import Smtp
from wording import FOLDER, Wording

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def settings() -> Settings:
    found = Settings("MAIL", "Send triggers as e-mail, each once.", lease="120s")
    found.setting("--smtp", "127.0.0.1:587", "host:port of the mail server")
    found.setting("--smtp-security", "starttls", "of the connection", kind=one_of("starttls", "tls", "none"))
    found.setting("--smtp-user", "", "to log in with; the password is MAIL_PASSWORD or MAIL_PASSWORD_FILE")
    found.setting("--smtp-ca", None, "PEM file of whom to trust instead of the system's")
    found.setting("--timeout", "10s", "for each answer of the mail server", kind=duration)
    found.setting("--from", "", "the sender, as in: Shop <hello@shop.example>")
    found.setting("--addresses", None, "CSV file or URL: email by customer_id")
    found.setting("--unsubscribe", "", "https URL with {customer_id} or {token} that stops these mails")
    found.setting("--templates", str(FOLDER), "the folder of what is said")
    found.setting("--shop-name", "the shop", "for the templates")
    found.setting("--shop-url", "https://shop.example", "for the templates")
    found.add_argument("--preview", type=Path, metavar="FILE", help="triggers as JSON lines: show the mails, send none")
    found.add_argument("--out", type=Path, metavar="DIR", help="where a preview writes *.eml; else to the terminal")
    return found


def smtp_of(options: argparse.Namespace) -> Smtp:
    """UsageError."""
    host, _, port = options.smtp.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError("--smtp: give host:port of the mail server")
    password = secret("MAIL_PASSWORD")
    if bool(options.smtp_user) != bool(password):
        raise UsageError("--smtp-user and MAIL_PASSWORD (or MAIL_PASSWORD_FILE) belong together: set both or none")
    if password and options.smtp_security == "none" and host not in _LOOPBACK:
        raise UsageError("--smtp-security none would send the password in the clear: use starttls or tls")
    try:
        context = ssl.create_default_context(cafile=options.smtp_ca)
    except OSError as error:
        raise UsageError(f"--smtp-ca: {error.strerror or error}; give a readable PEM file") from None
    return Smtp(
        host.strip("[]"), int(port), options.smtp_security, options.smtp_user, password or "", context, options.timeout
    )


def composer_of(options: argparse.Namespace, addresses: Addresses) -> Composer:
    """UsageError."""
    return Composer(
        Wording(Path(options.templates)),
        addresses,
        sender_of(getattr(options, "from")),
        Unsubscribe(options.unsubscribe, secret("MAIL_UNSUBSCRIBE_SECRET")),
        {"name": options.shop_name, "url": options.shop_url},
    )


def make(options: argparse.Namespace) -> Callable[[Message], None]:
    """What sends one. UsageError."""
    composer = composer_of(options, addresses_of(options.addresses, "MAIL_ADDRESSES_AUTHORIZATION"))
    smtp = smtp_of(options)
    options.types = composer.wording.types if options.types is None else options.types
    return lambda message: smtp.deliver(composer.compose(message, time.time()))


def show(options: argparse.Namespace) -> None:
    """A preview. Raises UsageError and OSError."""
    found = addresses_of(options.addresses, "MAIL_ADDRESSES_AUTHORIZATION") if options.addresses else Anybody()
    preview(composer_of(options, found), options.preview, options.out)


def main() -> int:
    """Send until told to stop, or preview; the exit status."""
    options = settings().parse_args()
    return guarded(lambda: show(options)) if options.preview else run(options, make)


if __name__ == "__main__":
    sys.exit(main())
