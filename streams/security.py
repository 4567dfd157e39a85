"""How the worker proves who it is to the brokers, and they to it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.kinds import setting
from streams.settingkinds import File, Secret, Text, Word

_LONGEST_PASSWORD = 1 << 16
"""Characters; OAuth tokens, which some use as one, have a few thousand."""


class SettingsError(ValueError):
    """A setting is wrong: one line with its place, its key and what is allowed; whoever runs this mends it."""


@dataclass(frozen=True, slots=True)
class User(Text):
    """A name, or none."""

    allowed: str = "a text"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError
        return value


@dataclass(frozen=True, slots=True)
class Security:
    """The settings `OFFBEAT_SECURITY_*`, and `[security]` in the file. The password is in no repr."""

    protocol: str = setting(Word(words=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")), "PLAINTEXT")
    mechanism: str = setting(Word(words=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), empty=True), "")
    user: str = setting(User(), "")
    password: str = field(default="", repr=False, metadata={"kind": Secret()})
    password_file: Path | None = field(default=None, metadata={"kind": File()})
    ca: Path | None = field(default=None, metadata={"kind": File()})
    certificate: Path | None = field(default=None, metadata={"kind": File()})
    key: Path | None = field(default=None, metadata={"kind": File()})

    def conflict(self) -> tuple[str, str] | None:
        """The key of a setting that does not go with the others, and what to do; None when all is well."""
        sasl, tls = self.protocol.startswith("SASL_"), self.protocol.endswith("SSL")
        if sasl:
            for key in ("mechanism", "user"):
                if not getattr(self, key):
                    return key, f"must be set with protocol {self.protocol}"
            if bool(self.password) == bool(self.password_file):
                return "password", "give either password or password_file"
        for key in () if sasl else ("mechanism", "user", "password", "password_file"):
            if getattr(self, key):
                return key, f"is of no use with protocol {self.protocol}; set protocol to SASL_SSL or SASL_PLAINTEXT"
        for key in () if tls else ("ca", "certificate", "key"):
            if getattr(self, key):
                return key, f"is of no use with protocol {self.protocol}; set protocol to SASL_SSL or SSL"
        return ("key", "needs the certificate that belongs to it") if self.key and not self.certificate else None

    def ssl_context(self) -> ssl.SSLContext | None:
        """What verifies the brokers, None without TLS; SettingsError when a file cannot be used."""
        if not self.protocol.endswith("SSL"):
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

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for the clients of aiokafka and of kafka-python, which call them alike. SettingsError."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        context = self.ssl_context()
        if context is not None:
            options["ssl_context"] = context
        if self.mechanism:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self._secret(),
            }
        return options

    def _secret(self) -> str:
        """The password; a file is read each time, so that it may be changed. Its last line break does not count."""
        if self.password_file is None:
            return self.password
        try:
            with self.password_file.open(encoding="utf-8") as file:
                secret = file.read(_LONGEST_PASSWORD + 1).rstrip("\r\n")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise SettingsError(
                f"security.password_file: {self.password_file} cannot be read: {why}; give a readable file"
            ) from None
        if len(secret) > _LONGEST_PASSWORD:
            raise SettingsError(
                f"security.password_file: {self.password_file} is no password; give a file that holds it"
            )
        if not secret:
            raise SettingsError(f"security.password_file: {self.password_file} is empty; write the password into it")
        return secret
