"""A real mail server on 127.0.0.1 that keeps what it takes, and does at chosen points what a test has scripted."""

import email
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from streams.brokers.embedded import free_port

Answer = str | None
"""A reply such as `451 later`; None: the usual one."""


@dataclass
class Mailbox:
    """`with Mailbox() as box:`; `box.port`, `box.mails`.

    `on`: what happens when a command comes, before it is answered (`MAIL`, `RCPT`, `DATA`), or when a mail was stored
    but the sender does not know it yet (`STORED`). What it returns is the answer.
    """

    users: dict[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    tls_first: bool = False
    """TLS before anything is said, instead of STARTTLS."""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    on: dict[str, Callable[[], Answer]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.port = free_port()
        tls: dict[str, Any] = {}
        if self.context:
            tls = {"ssl_context": self.context} if self.tls_first else {"tls_context": self.context}
            tls["require_starttls"] = not self.tls_first
        if self.users:
            tls |= {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": bool(self.context)}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **tls)
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        """The Message-IDs of what it has, in order."""
        return [mail["Message-ID"] for mail in self.mails]

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        user, password = data.login.decode(), data.password.decode()
        return AuthResult(success=self.users.get(user) == password, handled=False)

    @staticmethod
    def hang() -> None:
        """No answer for longer than a sender waits in tests."""
        time.sleep(1.0)

    def _told(self, what: str) -> Answer:
        script = self.on.get(what)
        return script() if script is not None else None

    async def handle_MAIL(  # noqa: N802 - aiosmtpd looks for these names
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if answer := self._told("MAIL"):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if answer := self._told("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if answer := self._told("DATA"):
            return answer
        content = envelope.content
        assert isinstance(content, bytes)
        self.raw.append(content)
        self.recipients += envelope.rcpt_tos
        self.mails.append(email.message_from_bytes(content, policy=default))
        return self._told("STORED") or "250 OK"
