"""What doctor sees without a broker: the state directory, rules, parameters, Redis."""

import resource
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from streams.doctor.check import Check
from streams.doctor.patient import Patient
from streams.doctor.run import HERE
from streams.settings import Settings
from streams.views import connecting
from tests.streams.doctor.finding import finds, note
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("own_directory")


def look(name: str, settings: Settings) -> Check:
    found = Check(name, *HERE[name](Patient(settings)))
    note(found)
    return found


@finds("A state directory that cannot be written to", "state directory")
def test_a_state_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = look("state directory", Settings(state_dir=tmp_path / "file" / "state"))
    assert (told.ok, told.detail) == (False, f"{tmp_path}/file is not a directory")


@finds("A state directory that cannot be written to", "state directory")
def test_a_state_directory_that_takes_nothing(tmp_path: Path) -> None:
    """As a full disk does; this process may write no byte meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        told = look("state directory", Settings(state_dir=tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (told.ok, told.detail) == (False, f"{tmp_path} cannot be written to: File too large")
    assert "OFFBEAT_STATE_DIR" in told.advice


def test_state_directories_that_will_do(tmp_path: Path) -> None:
    told = look("state directory", Settings(state_dir=tmp_path))
    assert (told.mark, told.detail) == ("ok", f"{tmp_path} is writable")
    assert list(tmp_path.iterdir()) == []
    told = look("state directory", Settings(state_dir=tmp_path / "new" / "state"))
    assert (told.mark, told.detail) == ("ok", f"{tmp_path}/new/state will be made")
    assert not (tmp_path / "new").exists()


@finds("Rules or parameters that are wrong", "rules")
@finds("Rules or parameters that are wrong", "parameters")
def test_files_that_are_wrong(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("{")
    told = look("rules", Settings(rules=file))
    assert not told.ok
    assert told.detail.startswith(f"{file}:1")
    told = look("parameters", Settings(parameters=file))
    assert not told.ok
    assert str(file) in told.detail


def test_files_that_are_right(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[guards]\nholdout = 0.1")
    told = look("rules", Settings(rules=rules))
    assert told.mark == "note"
    assert "not applied" in told.detail
    rules.write_text("")
    assert look("rules", Settings(rules=rules)).mark == "ok"


def test_redis_that_takes_views_is_well(redis_server: RedisServer) -> None:
    assert look("redis", Settings(redis=redis_server.url)) == Check("redis", True, "takes views: one server")


@finds("OffbeatViewsBehind", "redis")
def test_redis_that_takes_no_views(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    with_file = Settings(redis=own_redis.url, redis_password_file=tmp_path / "password")
    gone = tmp_path / "gone"
    with Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", "1")
        full = look("redis", Settings(redis=own_redis.url))
        client.config_set("maxmemory", "0")
        client.config_set("requirepass", "s3cret")
        refused = look("redis", Settings(redis=own_redis.url))
    assert (full.ok, full.detail) == (False, "has no memory left")
    assert "maxmemory" in full.advice
    assert (refused.ok, refused.detail) == (False, "refuses user or password")
    assert "OFFBEAT_REDIS" in refused.advice
    assert look("redis", with_file).ok
    assert (
        "cannot be asked: redis_password_file: " in look("redis", replace(with_file, redis_password_file=gone)).detail
    )
    away = look("redis", Settings(redis="redis://:s3cret@127.0.0.1:9/0"))
    assert (away.ok, away.detail) == (False, "cannot be reached")
    assert "s3cret" not in str(away)
    monkeypatch.setattr(connecting, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = look("redis", Settings(redis=f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
    assert (slow.ok, slow.detail) == (False, "does not answer in time")
