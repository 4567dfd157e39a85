"""Apache Kafka with locks on: TLS, every kind of log-in, and rules for who may do what."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streams.brokers.embedded import free_port
from tests.support.brokers import ApacheKafka
from tests.support.certificates import Authority
from tests.support.node import Listener
from tests.support.workers import Deployment

PASSWORD = "looking-glass land"
"""Of alice, with PLAIN and with SCRAM."""
_MODULES = {
    "plain": f'plain.PlainLoginModule required user_alice="{PASSWORD}"',
    "scram-sha-256": "scram.ScramLoginModule required",
    "scram-sha-512": "scram.ScramLoginModule required",
    "oauthbearer": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
}


class SecuredKafka(ApacheKafka):
    """Two more ways in: `login`, SASL_SSL, and `mutual`, where clients have certificates.

    Whoever comes by the first, open way may do everything, and so may alice; nobody else may do anything but what
    `allow` lets them. Tokens are those of `token`, which nobody has signed.

    :param authority: signs the certificate of its nodes, for 127.0.0.1 alone
    """

    def __init__(self, authority: Authority, properties: Mapping[str, str] | None = None) -> None:
        ports = free_port(), free_port()
        self.login, self.mutual = (f"127.0.0.1:{port}" for port in ports)
        self.authority = authority
        login = {
            f"listener.name.login.{name}.sasl.jaas.config": f"org.apache.kafka.common.security.{module};"
            for name, module in _MODULES.items()
        }
        super().__init__(
            listeners=[
                [Listener("LOGIN", ports[0], ports[0], "SASL_SSL"), Listener("MUTUAL", ports[1], ports[1], "SSL")]
            ],
            properties={
                "sasl.enabled.mechanisms": ",".join(name.upper() for name in _MODULES),
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(authority.sign("broker", "IP:127.0.0.1").both),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(authority.ca),
                "listener.name.mutual.ssl.client.auth": "required",
                "ssl.principal.mapping.rules": "RULE:^CN=(.*?)$/$1/,DEFAULT",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS;User:alice",
                **login,
                **(properties or {}),
            },
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self.set_password(PASSWORD)
        return self

    def set_password(self, password: str) -> None:
        """Of alice, with SCRAM. Who has come in before stays."""
        admin = AdminClient({"bootstrap.servers": self.address})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            change = UserScramCredentialUpsertion("alice", ScramCredentialInfo(mechanism, 4096), password.encode())
            for done in admin.alter_user_scram_credentials([change]).values():  # no user twice in one request
                done.result(10)

    def environment(self, to: Deployment, **security: str) -> dict[str, str]:
        """Of workers and commands that come by `login`; `security`: settings by their names, `mechanism="PLAIN"`."""
        told = {"protocol": "SASL_SSL", "ca": str(self.authority.ca), **security}
        ours = {f"OFFBEAT_SECURITY_{name.upper()}": value for name, value in told.items()}
        return {**to.environ, "OFFBEAT_BROKERS": self.login, **ours}

    def allow(self, user: str, *rules: tuple[str, str, str]) -> None:
        """Let `user` do this: (resource, name, operation), as `kafka-acls.sh` calls them; `x*`: names that begin so."""
        admin = AdminClient({"bootstrap.servers": self.address})
        for done in admin.create_acls([binding(user, *rule) for rule in rules]).values():
            done.result(10)


def binding(user: str, resource: str, name: str, operation: str) -> AclBinding:
    """An access rule for a user, from anywhere."""
    begins = name.endswith("*") and name != "*"
    kinds = {"topic": "TOPIC", "group": "GROUP", "cluster": "BROKER", "transactional-id": "TRANSACTIONAL_ID"}
    return AclBinding(
        ResourceType[kinds[resource]],
        name.removesuffix("*") if begins else name,
        ResourcePatternType.PREFIXED if begins else ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[operation.replace("-", "_").upper()],
        AclPermissionType.ALLOW,
    )


def token(user: str, seconds: float = 3600.0, **claims: object) -> str:
    """A token that says so, signed by nobody, good for so long."""
    at = round(time.time())
    parts = {"alg": "none"}, {"sub": user, "iat": at - 1, "exp": at + seconds, **claims}
    return "".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") + "." for part in parts)


def write_token(file: Path, user: str, seconds: float = 3600.0) -> str:
    """Put one into a file, at once; its path."""
    part = file.with_suffix(".part")
    part.write_text(token(user, seconds) + "\n")
    part.replace(file)
    return str(file)
