"""What brokers refuse for good, in words that say how to mend it. Anything else they do may pass."""

import ssl
from collections.abc import Sequence
from typing import Any

from aiokafka import errors

from streams.access.login import log_in
from streams.access.tokens import TokenRefusedError
from streams.settings import Settings

_ALLOW = "allow it with kafka-acls.sh (streams/SECURITY.md lists what is needed)"
FAILURE, CONFIGURATION = 1, 2
"""Exit statuses: the brokers may be set otherwise, and the same worker goes on; a setting of ours must change."""


def refusal(exc: BaseException, settings: Settings) -> tuple[int, str] | None:
    """(exit status, one line) when trying again is of no use; None when it may be."""
    who = settings.security.who
    match exc:
        case errors.InvalidSessionTimeoutError():
            return CONFIGURATION, (
                f"session_timeout: the brokers refuse {settings.session_timeout / 1000:g} s; set "
                "OFFBEAT_SESSION_TIMEOUT to what their group.min.session.timeout.ms and group.max.session.timeout.ms "
                "allow (6s to 30m by default)"
            )
        case errors.InconsistentGroupProtocolError():
            return CONFIGURATION, (
                f"group: {settings.group_id} has members that are no workers of Offbeat; set OFFBEAT_GROUP to a name "
                "that nobody else has"
            )
        case errors.UnsupportedSaslMechanismError():
            mechanism = settings.security.mechanism
            return CONFIGURATION, (
                f"security: the brokers do not know {mechanism}; set OFFBEAT_SECURITY_MECHANISM to one that they have"
            )
        case errors.AuthenticationFailedError() | errors.SaslAuthenticationFailed():
            why = " ".join(str(exc).split())[:200]
            login = "how the token is got" if settings.security.mechanism == "OAUTHBEARER" else "user and password"
            return CONFIGURATION, f"security: the brokers refuse {who}: {why}; check {login} in OFFBEAT_SECURITY_*"
        case errors.TopicAuthorizationFailedError():
            topics = exc.args[0] if exc.args else "a topic"
            names = topics if isinstance(topics, str) else ", ".join(sorted(topics))
            return FAILURE, f"the brokers do not let {who} use {names}; {_ALLOW}"
        case errors.GroupAuthorizationFailedError():
            return (
                FAILURE,
                f"the brokers do not let {who} read with group {settings.group_id}; {_ALLOW}",
            )
        case errors.TransactionalIdAuthorizationFailed():
            return FAILURE, (
                f"the brokers do not let {who} write with transactional ids that begin with {settings.group_id}-; "
                f"{_ALLOW}"
            )
        case errors.InvalidTimestampError():
            return FAILURE, (
                "clock: the brokers refuse records with the time of this machine as too far ahead; let NTP set the "
                "clocks of both (offbeat doctor tells how far they are apart)"
            )
        case TokenRefusedError():
            return CONFIGURATION, str(exc)
        case _:
            return _handshake(exc)


async def refused(
    settings: Settings, addresses: Sequence[str] = (), options: dict[str, Any] | None = None
) -> tuple[int, str] | None:
    """As `refusal`, of TLS and log-in by the first broker that can be asked; None when there is neither.

    Clients only say that nobody answers. `addresses`: those of the settings unless given; `options`: of a client that
    may have been made with another password. Raises SettingsError.
    """
    if settings.security.protocol == "PLAINTEXT":
        return None
    options = settings.client_options() if options is None else options
    for address in addresses or settings.broker_list:
        try:
            await log_in(address, options)
        except (errors.KafkaError, OSError, TimeoutError) as exc:
            if (found := refusal(exc, settings)) is not None:
                return found
        else:
            return None
    return None


def _login(settings: Settings) -> str:
    return "how the token is got" if settings.security.mechanism == "OAUTHBEARER" else "user and password"


def _handshake(exc: BaseException) -> tuple[int, str] | None:
    """What is wrong with a certificate, theirs or ours; None when it is something else."""
    found: BaseException | None = exc
    while found is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__
    if isinstance(found, ssl.SSLCertVerificationError):
        what = f"security: the certificate of the brokers is not accepted: {found.verify_message}"
        match found.verify_code:
            case 9 | 10:  # not yet valid, expired
                return FAILURE, f"{what}; renew it, or let NTP set this machine's clock"
            case 62 | 64:  # another name, another address
                return CONFIGURATION, f"{what}; name brokers in OFFBEAT_BROKERS as their certificates do"
            case _:
                return CONFIGURATION, f"{what}; set OFFBEAT_SECURITY_CA to the file of the CA that has signed it"
    if isinstance(found, ssl.SSLError) and (found.reason or "").endswith(_OF_OURS):
        return CONFIGURATION, (
            f"security: the brokers do not accept this client's certificate ({found.reason}); set "
            "OFFBEAT_SECURITY_CERTIFICATE and OFFBEAT_SECURITY_KEY to one that they trust"
        )
    return None


_OF_OURS = (
    "CERTIFICATE_REQUIRED",
    "UNKNOWN_CA",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_EXPIRED",
    "HANDSHAKE_FAILURE",
)
"""How brokers refuse a client's certificate, or that there is none (RFC 8446, section 6.2)."""
