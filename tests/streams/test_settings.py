"""Settings: where they come from, which win, and that every mistake gets one line, without secrets."""

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.resolve import KINDS, load_settings, variable
from streams.settings import Security, Settings, SettingsError, Topics, Views

OAUTH = "[security]\nprotocol = 'SASL_SSL'\nmechanism = 'OAUTHBEARER'"
SECRET = "s3cr3t-Pass"

SASL = {
    "OFFBEAT_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "OFFBEAT_SECURITY_MECHANISM": "SCRAM-SHA-512",
    "OFFBEAT_SECURITY_USER": "shop",
    "OFFBEAT_SECURITY_PASSWORD": SECRET,
}


def of(folder: Path, text: str = "", environ: dict[str, str] | None = None, **options: object) -> Settings:
    if text:
        (folder / "offbeat.toml").write_text(text)
    return load_settings(options, environ or {}, folder)


def error(folder: Path, text: str = "", environ: dict[str, str] | None = None, **options: object) -> str:
    with pytest.raises(SettingsError) as caught:
        of(folder, text, environ, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert SECRET not in message
    return message.replace(f"{folder}/", "")


def test_the_defaults_are_the_promised_ones(tmp_path: Path) -> None:
    found = of(tmp_path)
    assert found == Settings()
    assert (found.brokers, found.prefix, found.delivery) == ("127.0.0.1:9092", "", "exactly_once")
    assert (found.redis, found.metrics, found.rules, found.parameters) == ("", "127.0.0.1:9464", None, None)
    assert found.sources == ("customers", "purchases", "carts")
    assert found.outputs == (
        "triggers.repurchase",
        "triggers.cart",
        "triggers.basket",
        "triggers.lifecycle",
        "triggers.suppressed",
        "segments",
        "dead-letters",
    )


def test_later_sources_win(tmp_path: Path) -> None:
    text = 'brokers = "a:1"\nprefix = "a"\ngroup = "a"\n'
    environ = {"OFFBEAT_PREFIX": "b", "OFFBEAT_GROUP": "b"}
    found = of(tmp_path, text, environ, group="c", brokers=None)
    assert (found.brokers, found.prefix, found.group) == ("a:1", "b", "c")


def test_a_file_elsewhere_is_named_by_option_or_environment(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('prefix = "one"')
    (tmp_path / "two.toml").write_text('prefix = "two"')
    environ = {"OFFBEAT_CONFIG": "one.toml"}
    assert of(tmp_path, 'prefix = "zero"', environ).prefix == "one"
    assert of(tmp_path, 'prefix = "zero"', environ, config=str(tmp_path / "two.toml")).prefix == "two"
    assert error(tmp_path, config="three.toml").startswith("three.toml: cannot be read: No such file")


def test_every_setting_can_be_set_from_file_and_environment(tmp_path: Path) -> None:
    values: dict[tuple[str, ...], object] = {
        ("brokers",): "h:1, [::1]:2",
        ("prefix",): "x.",
        ("partitions",): 9,
        ("replication",): 2,
        ("delivery",): "at_least_once",
        ("state_dir",): "s",
        ("redis",): "redis://r",
        ("redis_password_file",): "rpw",
        ("redis_sentinels",): "s:26379",
        ("metrics",): "",
        ("rules",): "r.toml",
        ("parameters",): "p.json",
        ("refit",): "14d",
        ("clock",): "event",
        ("group",): "g",
        ("session_timeout",): "30s",
        ("dead_letter_share",): 0.25,
        ("log_level",): "debug",
        ("log_format",): "json",
        ("security", "protocol"): "SASL_SSL",
        ("security", "mechanism"): "PLAIN",
        ("security", "user"): "u",
        ("security", "password_file"): "pw",
        ("security", "ca"): "ca.pem",
        ("security", "certificate"): "c.pem",
        ("security", "key"): "k.pem",
        ("views", "ttl"): "30d",
        ("views", "sent_ttl"): "1h",
        ("views", "refresh"): "2d",
        **{("topics", name): f"t-{n}" for n, name in enumerate(Topics.__slots__)},
    }
    elsewhere = {("security", name) for name in ("password", "token_file", "token_command", "token_url", "scope")}
    assert set(values) == set(KINDS) - elsewhere
    lines = [f"{'.'.join(key)} = {value!r}" for key, value in values.items()]
    from_file = of(tmp_path, "\n".join(lines))
    (tmp_path / "offbeat.toml").unlink()
    assert from_file == of(tmp_path, environ={variable(key): str(value) for key, value in values.items()})
    assert from_file.broker_list == ["h:1", "[::1]:2"]
    assert (from_file.partitions, from_file.dead_letter_share, from_file.rules) == (9, 0.25, Path("r.toml"))
    assert from_file.security.ca == Path("ca.pem")
    assert from_file.topics.dead_letters == "t-9"
    assert from_file.views == Views(ttl=30 * 86_400_000, sent_ttl=3_600_000, refresh=2 * 86_400_000)


@pytest.mark.parametrize(
    ("told", "days", "follows"),
    [
        ({}, 28, True),
        ({"CLOCK": "event"}, 0, True),
        ({"PARAMETERS": "p.json"}, 0, False),
        ({"PARAMETERS": "builtin"}, 0, False),
        ({"REFIT": "off"}, 0, True),
        ({"REFIT": "7d", "CLOCK": "event", "PARAMETERS": "p.json"}, 7, True),
    ],
)
def test_when_workers_fit_and_what_they_follow(tmp_path: Path, told: dict[str, str], days: int, follows: bool) -> None:
    found = of(tmp_path, environ={f"OFFBEAT_{name}": value for name, value in told.items()})
    assert (found.refit_every, found.follows) == (days * 86_400_000, follows)


@pytest.mark.parametrize("wrong", ["23h", "400d", "weekly", ""])
def test_a_schedule_that_is_none_is_told(tmp_path: Path, wrong: str) -> None:
    told = error(tmp_path, environ={"OFFBEAT_REFIT": wrong})
    allowed = '"auto", "off", or a duration from "1d" to "365d" (units d, h, m, s)'
    assert told == f'OFFBEAT_REFIT: "{wrong}" is not allowed; give {allowed}'


def test_views_do_not_expire_before_they_are_written_again(tmp_path: Path) -> None:
    assert error(tmp_path, environ={"OFFBEAT_VIEWS_REFRESH": "7d"}).startswith("OFFBEAT_VIEWS_TTL: must be longer")
    assert error(tmp_path, '[views]\nttl = "1d"\n').startswith("offbeat.toml:2: views.ttl: must be longer")


def test_sentinels_go_with_a_url_that_names_the_primary(tmp_path: Path) -> None:
    there = {"OFFBEAT_REDIS_SENTINELS": "s1:26379, s2:26379"}
    for url in ("", "redis://r:6379/0", "unix:///run/redis"):
        told = error(tmp_path, environ={**there, "OFFBEAT_REDIS": url})
        assert told.startswith("OFFBEAT_REDIS_SENTINELS: is for redis, a URL with the primary's name for a host")
    found = of(tmp_path, environ={**there, "OFFBEAT_REDIS": "rediss://:pw@shop/1"})
    assert found.redis_sentinels == "s1:26379,s2:26379"
    told = error(tmp_path, environ={"OFFBEAT_REDIS_SENTINELS": "s1"})
    assert 'give addresses as "host:port", comma separated, or "" for none' in told


def test_a_file_with_the_password_of_redis_goes_with_a_url_that_has_none(tmp_path: Path) -> None:
    file = {"OFFBEAT_REDIS_PASSWORD_FILE": "pw"}
    for url in ("", "redis://:s3cret@r"):
        told = error(tmp_path, environ={**file, "OFFBEAT_REDIS": url})
        assert told.startswith("OFFBEAT_REDIS_PASSWORD_FILE: is for redis, a URL without a password")
        assert "s3cret" not in told
    assert of(tmp_path, environ={**file, "OFFBEAT_REDIS": "rediss://r"}).redis_password_file == Path("pw")


def test_the_names_of_the_variables_are_the_promised_ones() -> None:
    keys = [("brokers",), ("state_dir",), ("security", "password_file"), ("topics", "triggers_cart")]
    assert [variable(key) for key in keys] == [
        "OFFBEAT_BROKERS",
        "OFFBEAT_STATE_DIR",
        "OFFBEAT_SECURITY_PASSWORD_FILE",
        "OFFBEAT_TOPIC_TRIGGERS_CART",
    ]


def test_the_prefix_is_before_every_name() -> None:
    settings = Settings(prefix="shop.", topics=Topics(carts="baskets"))
    assert settings.topic("carts") == "shop.baskets"
    assert settings.topic("triggers.cart") == settings.topic("triggers_cart") == "shop.triggers.cart"
    assert settings.topic("dead-letters") == "shop.dead-letters"
    assert settings.changelog == "shop.offbeat-changelog"
    assert settings.group_id == "shop.offbeat"
    assert settings.transactional_id(3) == "shop.offbeat-3"
    with pytest.raises(AttributeError):
        settings.topic("orders")


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ("partitions = 0", "offbeat.toml:1: partitions: ", "a whole number from 1 to 10000"),
        ('\npartitions = "4"', "offbeat.toml:2: partitions: ", '"4" is not allowed'),
        ("partition = 4", "offbeat.toml:1: partition: ", "unknown setting; did you mean partitions?"),
        ("[topics]\ncart = 'x'", "offbeat.toml:2: topics.cart: ", "did you mean carts?"),
        ("topics = 3", "offbeat.toml:1: topics: ", "write [topics]"),
        ('[topics]\ncarts = "a b"', "offbeat.toml:2: topics.carts: ", "a name of letters"),
        ('[topics]\ncarts = ""', "offbeat.toml:2: topics.carts: ", "a name of letters"),
        ('[topics]\ncarts = ".."', "offbeat.toml:2: topics.carts: ", "a name of letters"),
        ('[topics]\ncarts = "a.b"\nsegments = "a_b"', "offbeat.toml:3: topics.segments: ", "the same as topics.carts"),
        ('brokers = ""', "offbeat.toml:1: brokers: ", '"host:port"'),
        ('brokers = "kafka"', "offbeat.toml:1: brokers: ", '"host:port"'),
        ('brokers = "kafka:99999"', "offbeat.toml:1: brokers: ", '"host:port"'),
        ('brokers = "a:1,,b:2"', "offbeat.toml:1: brokers: ", '"host:port"'),
        ('delivery = "once"', "offbeat.toml:1: delivery: ", '"exactly_once" or "at_least_once"'),
        ('metrics = "9464"', "offbeat.toml:1: metrics: ", '"" for none'),
        ("dead_letter_share = 0", "offbeat.toml:1: dead_letter_share: ", "above 0 and at most 1"),
        ('state_dir = ""', "offbeat.toml:1: state_dir: ", "path of a directory"),
        (f'redis = "http://u:{SECRET}@h"', "offbeat.toml:1: redis: ", "redis://127.0.0.1:6379/0"),
        (f'redis = "redis://u:{SECRET}@h:port"', "offbeat.toml:1: redis: ", "redis://127.0.0.1:6379/0"),
        (f"[security]\npassword = ['{SECRET}']", "offbeat.toml:2: security.password: ", "give a text"),
        (f"[security]\npasswort = '{SECRET}'", "offbeat.toml:2: security.passwort: ", "did you mean password?"),
        (f"[security]\npassword = '{SECRET}", "offbeat.toml:2: ", "not valid TOML"),
        ("[security]\nprotocol = 'TLS'", "offbeat.toml:2: security.protocol: ", '"SASL_SSL"'),
        ("[security]\nuser = 'u'", "offbeat.toml:2: security.user: ", "set protocol to SASL_SSL"),
        ("[security]\nca = 'u'", "offbeat.toml:2: security.ca: ", "set protocol to SASL_SSL or SSL"),
        ("[security]\nprotocol = 'SSL'\nkey = 'k'", "offbeat.toml:3: security.key: ", "needs the certificate"),
        ("[security]\nprotocol = 'SASL_SSL'", "OFFBEAT_SECURITY_MECHANISM: ", "must be set with protocol SASL_SSL"),
        ("[security]\ntoken_file = 't'", "offbeat.toml:2: security.token_file: ", "set protocol to SASL_SSL"),
        (f'{OAUTH}\ntoken_command = "\'"', "offbeat.toml:4: security.token_command: ", "give a program and its arg"),
        (
            f"{OAUTH}\ntoken_url = 'http://idp/token'",
            "offbeat.toml:4: security.token_url: ",
            "unencrypted; give an htt",
        ),
        (f"{OAUTH}\ntoken_url = 'https://u:p@h/'", "offbeat.toml:4: security.token_url: ", "is no URL of an endpoint"),
        (f"{OAUTH}\ntoken_url = 'https://[/'", "offbeat.toml:4: security.token_url: ", "is no URL; give one such as"),
        (f"{OAUTH}\ntoken_url = 'https://h/'", "OFFBEAT_SECURITY_USER: ", "must be set with mechanism OAUTHBEARER"),
        (f"{OAUTH}\ntoken_file = 't'\nuser = 'u'", "offbeat.toml:5: security.user: ", "no use with token_file"),
        (f"{OAUTH}\ntoken_file = 't'\ntoken_url = 'u'", "offbeat.toml:4: security.token_file: ", "give one of"),
        (OAUTH, "OFFBEAT_SECURITY_TOKEN_FILE: ", "give one of token_file, token_command and token_url"),
        (OAUTH.replace("OAUTHBEARER", "PLAIN") + "\nscope = 's'", "offbeat.toml:4: security.scope: ", "of no use with"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, text: str, start: str, part: str) -> None:
    message = error(tmp_path, text)
    assert message.startswith(start)
    assert part in message


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("OFFBEAT_PARTITIONS", "four", '"four" is not allowed; give a whole number from 1 to 10000'),
        ("OFFBEAT_PARTITIONS", "", "a whole number"),
        ("OFFBEAT_PARTITIONS", "9" * 5000, "a whole number"),
        ("OFFBEAT_DEAD_LETTER_SHARE", "nan", "above 0 and at most 1"),
        ("OFFBEAT_BROKER", "a:1", "did you mean OFFBEAT_BROKERS?"),
        ("OFFBEAT_TOPICS_CARTS", "a", "did you mean OFFBEAT_TOPIC_CARTS?"),
        ("OFFBEAT_TOPIC_CARTS", "x" * 201, "at most 200"),
        ("OFFBEAT_PREFIX", "ü", "a name of letters"),
        ("OFFBEAT_PREFIX", "\udcff", "a name of letters"),
        ("OFFBEAT_RULES", "a\0b", "a path"),
        ("OFFBEAT_SECURITY_PASSWORD", SECRET + "\udcff", "give a text"),
        ("OFFBEAT_LOG_LEVEL", "loud", '"debug" or "info"'),
    ],
)
def test_a_mistake_in_the_environment_is_told(tmp_path: Path, name: str, value: str, part: str) -> None:
    message = error(tmp_path, environ={name: value})
    assert message.startswith(f"{name}: ")
    assert part in message


def test_a_mistake_in_an_option_is_told(tmp_path: Path) -> None:
    assert error(tmp_path, state_dir="").startswith("--state-dir: ")
    assert error(tmp_path, partitions="x").startswith('--partitions: "x" is not allowed')


def test_a_topic_with_its_prefix_may_be_too_long(tmp_path: Path) -> None:
    environ = {"OFFBEAT_PREFIX": "p" * 100, "OFFBEAT_TOPIC_CARTS": "c" * 150}
    assert error(tmp_path, environ=environ).startswith("OFFBEAT_TOPIC_CARTS: ")


def test_what_kubernetes_tells_of_a_service_is_no_setting(tmp_path: Path) -> None:
    environ = {
        "OFFBEAT_SERVICE_HOST": "10.0.0.1",
        "OFFBEAT_SERVICE_PORT_METRICS": "9464",
        "OFFBEAT_PORT": "tcp://10.0.0.1:9464",
        "OFFBEAT_PORT_9464_TCP_ADDR": "10.0.0.1",
        "OFFBEAT_REDIS_PORT_6379_TCP": "tcp://10.0.0.2:6379",
        "OFFBEATS": "other",
    }
    assert of(tmp_path, environ=environ) == Settings()


@given(st.dictionaries(st.sampled_from([variable(key) for key in KINDS]), st.text(max_size=12), max_size=4))
def test_any_environment_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]
) -> None:
    message = refusal(tmp_path_factory.getbasetemp(), environ)
    assert message is None or (message.isprintable() and message.split(":")[0] in [variable(key) for key in KINDS])


def refusal(folder: Path, environ: dict[str, str]) -> str | None:
    try:
        load_settings({}, environ, folder)
    except SettingsError as refused:
        return str(refused)
    return None


def test_secrets_are_not_in_a_repr(tmp_path: Path) -> None:
    found = of(tmp_path, environ={**SASL, "OFFBEAT_REDIS": f"redis://:{SECRET}@h"})
    assert SECRET not in f"{found} {found!r} {found.security!r}"
    told = {"PROTOCOL": "SASL_SSL", "MECHANISM": "OAUTHBEARER", "TOKEN_COMMAND": f"tool --key {SECRET}"}
    found = of(tmp_path, environ={f"OFFBEAT_SECURITY_{name}": value for name, value in told.items()})
    assert SECRET in found.security.token_command
    assert SECRET not in f"{found} {found!r} {found.security!r}"


def test_clients_get_what_they_need(tmp_path: Path) -> None:
    assert Settings(brokers="a:1,b:2").client_options() == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }
    assert of(tmp_path, environ=SASL).client_options() == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "shop",
        "sasl_plain_password": SECRET,
    }


def test_tls_verifies_the_broker() -> None:
    context = Security(protocol="SSL").client_options()["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert Security().ssl_context() is None


def test_a_password_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "password"
    security = Security(protocol="SASL_PLAINTEXT", mechanism="PLAIN", user="u", password_file=file)
    for secret in ("one two ", "three"):
        file.write_text(f"{secret}\n")
        assert security.client_options()["sasl_plain_password"] == secret
    for content, part in [
        (b"\n", "is empty"),
        (b"\xff", "not UTF-8"),
        (b"x" * 100_000, "is no password"),
        (None, "No such file"),
    ]:
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(SettingsError, match=f"security.password_file: .*{part}"):
            security.client_options()


def test_password_and_file_exclude_each_other(tmp_path: Path) -> None:
    both = {**SASL, "OFFBEAT_SECURITY_PASSWORD_FILE": "x"}
    assert "either password or password_file" in error(tmp_path, environ=both)
    del both["OFFBEAT_SECURITY_PASSWORD"]
    assert of(tmp_path, environ=both).security.password_file == Path("x")
    del both["OFFBEAT_SECURITY_PASSWORD_FILE"]
    assert error(tmp_path, environ=both).startswith("OFFBEAT_SECURITY_PASSWORD: give either")


def test_certificates_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for name, security in {
        "ca": Security(protocol="SSL", ca=junk),
        "certificate": Security(protocol="SSL", certificate=junk),
    }.items():
        with pytest.raises(SettingsError, match=f"security.{name}: .*junk.pem cannot be used: .*PEM file"):
            security.client_options()
    with pytest.raises(SettingsError, match="No such file"):
        Security(protocol="SSL", ca=tmp_path / "none.pem").client_options()
