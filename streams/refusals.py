"""What brokers refuse for good, in words that say how to mend it. Anything else they do may pass."""

from aiokafka import errors
from aiokafka.conn import create_conn

from streams.settingkinds import split_address
from streams.settings import Settings

FAILURE, CONFIGURATION = 1, 2
"""Exit statuses: the brokers may be set otherwise, and the same worker goes on; a setting of ours must change."""


def refusal(exc: BaseException, settings: Settings) -> tuple[int, str] | None:
    """(exit status, one line) when trying again is of no use; None when it may be."""
    who = f"user {settings.security.user}" if settings.security.user else "this client"
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
            return CONFIGURATION, (
                f"security: the brokers refuse {who}: {why}; check user and password in OFFBEAT_SECURITY_*"
            )
        case errors.TopicAuthorizationFailedError():
            topics = exc.args[0] if exc.args else "a topic"
            names = topics if isinstance(topics, str) else ", ".join(sorted(topics))
            return FAILURE, f"the brokers do not let {who} use {names}; allow it (kafka-acls.sh)"
        case errors.GroupAuthorizationFailedError():
            return (
                FAILURE,
                f"the brokers do not let {who} read with group {settings.group_id}; allow it (kafka-acls.sh)",
            )
        case errors.TransactionalIdAuthorizationFailed():
            return FAILURE, (
                f"the brokers do not let {who} write with transactional ids that begin with {settings.group_id}-; "
                "allow it (kafka-acls.sh)"
            )
        case errors.InvalidTimestampError():
            return FAILURE, (
                "clock: the brokers refuse records with the time of this machine as too far ahead; let NTP set the "
                "clocks of both (offbeat doctor tells how far they are apart)"
            )
        case _:
            return None


async def refused(settings: Settings) -> tuple[int, str] | None:
    """As `refusal`, of the password by the first broker that can be asked; None without a password.

    kafka-python only says that nobody answers.
    """
    if not settings.security.mechanism:
        return None
    options = settings.client_options()
    del options["bootstrap_servers"]
    for address in settings.broker_list:
        try:
            connection = await create_conn(*split_address(address), request_timeout_ms=5000, **options)
        except (errors.KafkaError, OSError, TimeoutError) as exc:
            if (found := refusal(exc, settings)) is not None:
                return found
        else:
            connection.close()
            return None
    return None
