"""How the worker proves who it is to the brokers, and they to it."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from agents.rulebook.kinds import setting
from streams.access.secretfile import SettingsError, read_secret
from streams.access.tokenendpoint import from_endpoint, problem
from streams.access.tokens import Token, TokenError, Tokens, from_command, from_file
from streams.settingkinds import Command, File, Secret, Text, Word

__all__ = ["Security", "SettingsError"]

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_TOKENS = ("token_file", "token_command", "token_url")
"""Where tokens come from; one of them."""


@dataclass(frozen=True, slots=True)
class User(Text):
    """A name, or none."""

    allowed: str = "a text"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError
        return value


def _hidden(kind: Any, default: Any = "") -> Any:
    """A field that is in no repr."""
    return field(default=default, repr=False, metadata={"kind": kind})


@dataclass(frozen=True, slots=True)
class Security:
    """The settings `OFFBEAT_SECURITY_*`, and `[security]` in the file. What is secret is in no repr."""

    protocol: str = setting(Word(words=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")), "PLAINTEXT")
    mechanism: str = setting(Word(words=_MECHANISMS, empty=True), "")
    user: str = setting(User(), "")
    """With `token_url`, the client's id; `password` is its secret."""
    password: str = _hidden(Secret())
    password_file: Path | None = field(default=None, metadata={"kind": File()})
    token_file: Path | None = field(default=None, metadata={"kind": File()})
    token_command: str = _hidden(Command())
    """A program and its arguments, which may be secret; it prints a token."""
    token_url: str = setting(User(), "")
    scope: str = setting(User(), "")
    ca: Path | None = field(default=None, metadata={"kind": File()})
    certificate: Path | None = field(default=None, metadata={"kind": File()})
    key: Path | None = field(default=None, metadata={"kind": File()})

    @property
    def tls(self) -> bool:
        """Connections are encrypted, and the brokers prove who they are."""
        return self.protocol.endswith("SSL")

    @property
    def who(self) -> str:
        """Who the brokers take this client for, as far as it is known here, for a message."""
        if self.mechanism == "OAUTHBEARER" and not self.token_url:
            return f"the owner of the token of {'token_file' if self.token_file else 'token_command'}"
        return f"user {self.user}" if self.user else "this client"

    def conflict(self) -> tuple[str, str] | None:
        """The key of a setting that does not go with the others, and what to do; None when all is well."""
        if self.protocol.startswith("SASL_"):
            if (found := self._login_conflict()) is not None:
                return found
        else:
            for key in ("mechanism", "user", "password", "password_file", "scope", *_TOKENS):
                if getattr(self, key):
                    what = "is of no use with protocol"
                    return key, f"{what} {self.protocol}; set protocol to SASL_SSL or SASL_PLAINTEXT"
        for key in () if self.tls else ("certificate", "key", *(() if self.token_url else ("ca",))):
            if getattr(self, key):
                return key, f"is of no use with protocol {self.protocol}; set protocol to SASL_SSL or SSL"
        return ("key", "needs the certificate that belongs to it") if self.key and not self.certificate else None

    def _login_conflict(self) -> tuple[str, str] | None:
        if not self.mechanism:
            return "mechanism", f"must be set with protocol {self.protocol}"
        sources = [key for key in _TOKENS if getattr(self, key)]
        if self.mechanism != "OAUTHBEARER":
            if sources or self.scope:
                return (sources or ["scope"])[0], f"is of no use with mechanism {self.mechanism}; it is for OAUTHBEARER"
        elif len(sources) != 1:
            return (sources or _TOKENS)[0], "give one of token_file, token_command and token_url with OAUTHBEARER"
        elif sources != ["token_url"]:
            given = next((key for key in ("user", "password", "password_file", "scope") if getattr(self, key)), None)
            return (given, f"is of no use with {sources[0]}; it is for token_url") if given else None
        elif (found := problem(self.token_url)) is not None:
            return "token_url", found
        if not self.user:
            return "user", f"must be set with mechanism {self.mechanism}"
        if bool(self.password) == bool(self.password_file):
            return "password", "give either password or password_file"
        return None

    def ssl_context(self) -> ssl.SSLContext | None:
        """What verifies the brokers, None without TLS; SettingsError when a file cannot be used."""
        if not self.tls:
            return None
        file, key = self.ca, "ca"
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate:
                file, key = self.certificate, "certificate"
                # a password is never asked for: nobody may be there to type it
                context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not in PEM format"
            raise SettingsError(f"security.{key}: {file} cannot be used: {why}; give a readable PEM file") from None
        return context

    def client_options(self, *, blocking: bool = False) -> dict[str, Any]:
        """Keyword arguments for clients of aiokafka, or with `blocking` for those of kafka-python. SettingsError."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        context = self.ssl_context()
        if context is not None:
            options["ssl_context"] = context
        if self.mechanism:
            options["sasl_mechanism"] = self.mechanism
        if self.mechanism == "OAUTHBEARER":
            from streams.access import tokenproviders  # noqa: PLC0415 - help and offline commands need no Kafka client

            kind = tokenproviders.Called if blocking else tokenproviders.Awaited
            options["sasl_oauth_token_provider"] = kind(token_source(self))
        elif self.mechanism:
            options |= {"sasl_plain_username": self.user, "sasl_plain_password": self.secret()}
        return options

    def secret(self) -> str:
        """The password, as it is now. SettingsError."""
        return (
            self.password if self.password_file is None else read_secret("security.password_file", self.password_file)
        )


@cache
def token_source(security: Security) -> Callable[[], str]:
    """What gives a token that has not expired, or raises TokenError.

    One for all clients with these settings, so that an endpoint is asked once for all of them.
    """
    file, command = security.token_file, security.token_command
    if file is not None:
        return lambda: from_file(file).text
    if command:
        return Tokens(lambda: from_command(command)).current
    return Tokens(partial(_ask, security)).current


def _ask(security: Security) -> Token:
    try:
        secret = security.secret()
    except SettingsError as error:  # whoever changes the file may be in the middle of it
        raise TokenError(str(error)) from None
    return from_endpoint(security.token_url, security.user, secret, security.scope, security.ca)
