"""Connections to Redis: to one server, to a cluster, or to the primary that Sentinels name."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import ConnectionPool, parse_url
from redis.exceptions import NoPermissionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from streams.access.secretfile import SettingsError, read_secret
from streams.settingkinds import split_address
from streams.settings import Settings
from streams.views.trouble import ViewError

ANSWER_SECONDS = 2.0
_CONNECT_SECONDS = 1.0
_parse: Any = parse_url  # redis-py does not type them
_Sentinel: Any = Sentinel


def connect(settings: Settings) -> Any:
    """A client of what the settings name, made anew: whoever asked Sentinels asks them again. Raises what Redis does.

    Also ViewError.
    """
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    login = {} if settings.redis_password_file is None else {"password": _password(settings.redis_password_file)}
    try:
        if settings.redis_sentinels:
            return _primary(settings, options, login)
        client: Any = redis.Redis.from_url(settings.redis, **options, **login)
    except ValueError:
        raise ViewError("refused", "cannot be asked: its URL is wrong") from None
    if _is_cluster(client):
        client.close()
        client = RedisCluster.from_url(settings.redis, **options, **login)
    return client


def kind_of(settings: Settings, client: Any) -> str:
    """What a client is connected to, in a few words."""
    if settings.redis_sentinels:
        return "the primary that Sentinels name"
    return "a cluster" if isinstance(client, RedisCluster) else "one server"


def _primary(settings: Settings, options: dict[str, Any], login: dict[str, Any]) -> Any:
    """A client of the server that the Sentinels call by the URL's host; log-in, TLS and database are the URL's.

    It is asked for once: whoever loses the connection, or finds a replica at its end, connects anew.
    """
    server: dict[str, Any] = {**_parse(settings.redis), **options, **login}
    tls = {name: value for name, value in server.items() if name.startswith("ssl_")}
    if urlsplit(settings.redis).scheme == "rediss":
        tls["ssl"] = True
    # they may ask for the password of the server, or for none, and then refuse it
    logins = [{}, {"password": server["password"]}] if server.get("password") else [{}]
    places = [split_address(place) for place in settings.redis_sentinels.split(",")]
    asked = [_Sentinel(places, sentinel_kwargs={**options, **tls, **each}) for each in logins]
    sentinels = asked[0]
    sentinels.sentinels = [client for each in asked for client in each.sentinels]
    try:
        server["host"], server["port"] = sentinels.discover_master(_name(settings.redis))
    finally:
        for client in sentinels.sentinels:
            client.close()
    return redis.Redis.from_pool(ConnectionPool(**server))


def _name(url: str) -> str:
    """The host, its case kept."""
    return unquote(urlsplit(url).netloc.rpartition("@")[2])


def _password(file: Path) -> str:
    try:
        return read_secret("redis_password_file", file)
    except SettingsError as error:  # whoever changes it may be in the middle of it
        raise ViewError("refused", f"cannot be asked: {str(error).partition(';')[0]}") from None


def _is_cluster(client: Any) -> bool:
    try:
        return bool(int(client.info("cluster").get("cluster_enabled", 0)))
    except NoPermissionError:  # who may not ask has one server
        return False
