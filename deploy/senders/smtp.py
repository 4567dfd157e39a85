"""Handing mails to a mail server, and what its answers mean for a trigger: RFC 5321."""

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field

from errors import AwayError, LaterError, NeverError, StopError, UnsureError
from mails import Mail

_AWAY = 421


@dataclass
class Smtp:
    """A connection to a mail server, kept open as long as it lasts."""

    host: str
    port: int
    security: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    context: ssl.SSLContext | None = None
    timeout: float = 10.0
    _open: smtplib.SMTP | None = field(default=None, repr=False)

    def deliver(self, mail: Mail) -> None:
        """Returns when the server has taken it. Raises the errors of `loop.py`; none of them shows an address."""
        server = self._ready()
        try:
            self._judge(server.mail(mail.sender)[0])
            self._judge(server.rcpt(mail.recipient)[0])
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise AwayError(f"the mail server: {type(error).__name__}") from None
        try:
            code, _ = server.data(mail.data)
        except smtplib.SMTPDataError as error:  # it does not want to have it
            code = error.smtp_code
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise UnsureError(f"the mail server: {type(error).__name__}") from None
        self._judge(code)

    def _judge(self, code: int) -> None:
        """By the first digit, RFC 5321, section 4.2.1."""
        if 200 <= code < 300:
            return
        self.close()
        if code == _AWAY:
            raise AwayError(f"the mail server says {code}")
        raise (LaterError if code < 500 else NeverError)(f"the mail server says {code}")

    def _ready(self) -> smtplib.SMTP:
        if self._open is not None:
            with suppress(OSError, smtplib.SMTPException):
                if self._open.noop()[0] == 250:
                    return self._open
            self.close()
        try:
            self._open = self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise StopError(f"the mail server refuses user or password ({error.smtp_code}); set them right") from None
        except smtplib.SMTPNotSupportedError as error:
            raise StopError(f"the mail server: {error}; set --smtp-security and user as it wants") from None
        except (OSError, smtplib.SMTPException) as error:
            why = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or type(error).__name__
            raise AwayError(f"no mail server at {self.host}:{self.port}: {why}") from None
        return self._open

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=self.context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        try:
            if self.security == "starttls":
                server.starttls(context=self.context)
            if self.user:
                server.login(self.user, self.password)
            server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    def close(self) -> None:
        """At once: what is under way ends. The next mail opens it again."""
        if self._open is not None:
            self._open.close()
            self._open = None
