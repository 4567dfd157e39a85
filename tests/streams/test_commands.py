"""The commands as a user meets them: output, exit status, and one line on standard error when something is wrong."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agents.rules import NAMES, Rules
from streams import __main__ as entry
from streams import checkup, commands
from streams.checkup import Check
from streams.commands import COMMANDS, offbeat, run
from streams.commands.options import with_settings
from streams.embedded import EmbeddedBroker, free_port
from streams.settings import Settings
from tests.support.brokers import ApacheKafka

ROOT = Path(entry.__file__).parent.parent
PROGRAM = [sys.executable, "-m", "streams"]


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("OFFBEAT_"):
            monkeypatch.delenv(name)


def process(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and the one line on standard error."""
    status = run(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("offbeat: ")
    return status, err.removeprefix("offbeat: ").rstrip("\n")


@pytest.mark.parametrize("arguments", [[], ["rules"], ["rules", "show"], ["rules", "check"], ["topics", "create"]])
def test_every_command_has_help(arguments: list[str]) -> None:
    result = CliRunner().invoke(offbeat, [*arguments, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")


def test_help_lists_each_command_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out.split("Commands:")[1]
    for name in offbeat.list_commands(click.Context(offbeat)):
        assert COMMANDS[name][1] in listed


def test_the_commands_that_are_there_can_be_imported() -> None:
    for name in offbeat.list_commands(click.Context(offbeat)):
        command = offbeat.get_command(click.Context(offbeat), name)
        assert command is not None
        assert command.name == name
        assert command.help


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "Missing command; see offbeat --help"),
        (["rul"], "No such command 'rul'"),
        (["rules"], "Missing command; see offbeat rules --help"),
        (["rules", "check"], "Missing argument 'FILE'; see offbeat rules check --help"),
        (["rules", "check", "a", "b"], "Got unexpected extra argument (b); see offbeat rules check --help"),
        (["rules", "check", "none.toml"], "none.toml: cannot be read: No such file or directory"),
        (["rules", "show", "--jso"], "No such option: --jso"),
        (["rules", "show", "--rules", "none.toml"], "none.toml: cannot be read"),
        (["topics", "create", "--partitions", "0"], "--partitions: 0 is not allowed; give a whole number"),
        (["topics", "check", "--config", "none.toml"], "none.toml: cannot be read"),
        (["doctor", "--brokers", "kafka"], '--brokers: "kafka" is not allowed'),
        (["\x1b[31m\n"], "No such command"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = refused(capsys, *arguments)
    assert status == 2
    assert told.startswith(line)
    assert told.isprintable()


def test_a_wrong_setting_is_status_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFBEAT_DELIVERY", "twice")
    assert refused(capsys, "rules", "show")[0] == 2
    monkeypatch.delenv("OFFBEAT_DELIVERY")
    Path("offbeat.toml").write_text("\nprefiks = 'a'")
    assert refused(capsys, "topics", "check") == (
        2,
        "offbeat.toml:2: prefiks: unknown setting; did you mean prefix?",
    )


def test_rules_check_tells_that_a_file_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.toml").write_text('["cart.abandoned"]\nenabled = false\n[guards]\nholdout = 0.1')
    assert run(["rules", "check", "r.toml"]) == 0
    out, err = capsys.readouterr()
    assert out == "r.toml is valid: 8 of 9 rules are on\n"
    assert err == "offbeat: guards.holdout is set but not applied by this version: nobody is held out\n"


def test_rules_check_tells_the_line_of_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.toml").write_text('["cart.abandoned"]\nafter = "4 hours"')
    status, told = refused(capsys, "rules", "check", "r.toml")
    assert status == 2
    assert told.startswith('r.toml:2: cart.abandoned.after: "4 hours" is not allowed')


def test_rules_show_tells_every_number_and_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.toml").write_text('["cart.abandoned"]\nafter = "5h"')
    assert run(["rules", "show", "--rules", "r.toml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "default" in line] == [
        f'cart.abandoned  {changed_version()}  after  "5h"  default "4h"'
    ]
    assert f"repurchase.overdue  {Rules().versions['repurchase.overdue']}  window  0.8" in lines
    assert 'guards  consent  "opt-out"' in lines


def changed_version() -> str:
    from agents.rules import CartAbandoned  # noqa: PLC0415

    return Rules(cart_abandoned=CartAbandoned(after=5 * 3_600_000)).versions["cart.abandoned"]


def test_rules_show_as_json_takes_the_file_of_the_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("r.toml").write_text('["browse.abandoned"]\nviews = 3')
    monkeypatch.setenv("OFFBEAT_RULES", "r.toml")
    assert run(["rules", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["file"] == "r.toml"
    assert tuple(shown["rules"]) == NAMES
    assert shown["rules"]["browse.abandoned"]["settings"]["views"] == {"value": "3", "default": "2"}
    assert shown["guards"]["settings"]["cap"] == {"value": "false", "default": "false"}


def test_topics_are_made_and_checked(embedded_broker: EmbeddedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--brokers", embedded_broker.address, "--prefix", "commands-test."]
    assert run(["topics", "check", *where]) == 1
    assert "must  commands-test.carts is missing  -> run: offbeat topics create" in capsys.readouterr().out
    assert run(["topics", "create", *where, "--partitions", "2"]) == 0
    out = capsys.readouterr().out
    assert "made commands-test.carts  2 partitions" in out
    assert out.endswith("all 11 topics are as they should be\n")
    assert run(["topics", "create", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"made": [], "differences": []}
    assert run(["topics", "check", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"differences": []}


def test_a_difference_as_json(embedded_broker: EmbeddedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "check", "--brokers", embedded_broker.address, "--prefix", "no.", "--json"]) == 1
    first = json.loads(capsys.readouterr().out)["differences"][0]
    assert first == {
        "topic": "no.customers",
        "what": "is missing",
        "advice": "run: offbeat topics create",
        "must": True,
    }


@pytest.mark.parametrize("command", ["create", "check"])
def test_no_broker_is_one_line_and_status_1(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = refused(capsys, "topics", command, "--brokers", "127.0.0.1:9")
    assert (status, told.startswith("no broker at 127.0.0.1:9 (Connection refused); start it")) == (1, True)


def checks_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Check]]:
    status = run(["doctor", "--json", "--metrics", f"127.0.0.1:{free_port()}", *arguments])
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["checks"]
    return status, {check["name"]: Check(**check) for check in told["checks"]}


def test_doctor_on_a_broker_without_transactions(
    embedded_broker: EmbeddedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--brokers", embedded_broker.address, "--prefix", "doctor-test."]
    status, told = checks_of(capsys, *where)
    assert status == 1
    assert {name for name, check in told.items() if not check.ok} == {"topics", "transactions"}
    assert "OFFBEAT_DELIVERY=at_least_once" in told["transactions"].advice
    assert told["topics"].advice == "run: offbeat topics create"
    assert run(["topics", "create", *where]) == 0
    capsys.readouterr()
    status, told = checks_of(capsys, *where, "--delivery", "at_least_once")
    assert (status, [name for name, check in told.items() if not check.ok]) == (0, [])
    assert told["clock"].detail.startswith("not compared")


def test_doctor_on_apache_kafka(apache_kafka: ApacheKafka, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--brokers", apache_kafka.address, "--prefix", "doctor-test."]
    assert run(["topics", "create", *where]) == 0
    capsys.readouterr()
    status, told = checks_of(capsys, *where)
    assert (status, [name for name, check in told.items() if not check.ok]) == (0, [])
    assert told["transactions"].detail.startswith("supported")
    assert told["clock"].detail.startswith("differs from the broker's by less than")


def test_doctor_notices_a_wrong_clock(
    apache_kafka: ApacheKafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["--brokers", apache_kafka.address, "--prefix", "doctor-clock."]
    assert run(["topics", "create", *where]) == 0
    capsys.readouterr()
    true_time = time.time
    for off, side in ((7_200, "ahead of"), (-7_200, "behind")):
        monkeypatch.setattr("streams.transactions.time.time", lambda off=off: true_time() + off)
        status, told = checks_of(capsys, *where)
        assert (status, told["clock"].ok) == (1, False)
        assert told["clock"].detail in {f"{abs(off) + d} s {side} the broker's" for d in (-1, 0, 1)}
        assert "NTP" in told["clock"].advice


def test_doctor_without_brokers_checks_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    status, told = checks_of(capsys, "--brokers", "127.0.0.1:9,127.0.0.1:10")
    assert status == 1
    assert [name for name, check in told.items() if not check.ok] == ["broker 127.0.0.1:9", "broker 127.0.0.1:10"]
    assert list(told)[2:] == ["state directory", "redis", "rules", "parameters", "metrics port"]


def local(settings: Settings) -> dict[str, Check]:
    """The checks that need no broker."""
    looks = (checkup._state_directory, checkup._redis, checkup._rules, checkup._parameters, checkup._metrics)
    return {check.name: check for check in (look(settings) for look in looks)}


def test_each_local_check_can_fail_and_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("{")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(
            state_dir=file / "state",
            redis="redis://:s3cret@127.0.0.1:9/0",
            rules=file,
            parameters=file,
            metrics=f"127.0.0.1:{taken.getsockname()[1]}",
        )
        told = local(settings)
    assert not [check.name for check in told.values() if check.ok or not check.advice or "s3cret" in str(check)]


def test_each_local_check_passes_with_what_is_right(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    rules = tmp_path / "rules.toml"
    rules.write_text("[guards]\nholdout = 0.1")
    told = local(Settings(state_dir=state, rules=rules, metrics=f"127.0.0.1:{free_port()}"))
    assert all(check.ok for check in told.values())
    assert "not applied" in told["rules"].detail
    assert list(state.iterdir()) == []
    told = local(Settings(state_dir=tmp_path / "new" / "state", metrics=""))
    assert (told["state directory"].detail, told["metrics port"].ok) == (f"{tmp_path}/new/state will be made", True)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def pong() -> Iterator[str]:
    """The URL of a server that answers every Redis command with +PONG or +OK."""
    import threading  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection = server.accept()[0]
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(4096):
                    connection.sendall(b"+PONG\r\n" if b"PING" in data else b"+OK\r\n" * data.count(b"*"))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0?protocol=2"
        thread.join()


def test_redis_that_answers_is_well(pong: str) -> None:
    assert checkup._redis(Settings(redis=pong)) == Check("redis", True, "answers")


def test_settings_reach_a_command_and_its_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.option("--own", default=1)
    @with_settings("brokers", "state_dir")
    def command(settings: Settings, own: int) -> None:
        click.echo(f"{settings.brokers} {settings.state_dir} {own}")

    monkeypatch.setenv("OFFBEAT_BROKERS", "a:1")
    monkeypatch.setenv("OFFBEAT_STATE_DIR", "x")
    assert CliRunner().invoke(command, ["--state-dir", "y", "--own", "2"]).output == "a:1 y 2\n"


def fail(error: BaseException) -> int:
    """The exit status of a command that raises this."""

    @offbeat.command(name="failing")
    def failing() -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands.Commands, "get_command", lambda *_: failing)
        return run(["failing"])


def test_every_end_has_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(click.ClickException("it\nbroke")) == 1
    assert capsys.readouterr().err == "offbeat: it broke\n"
    assert fail(KeyboardInterrupt()) == 130
    assert fail(click.exceptions.Exit(3)) == 3
    assert capsys.readouterr().err == ""
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())


def test_as_a_process_it_works_and_fails_alike() -> None:
    done = process("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("offbeat ")
    done = process("topics", "check", OFFBEAT_BROKERS="127.0.0.1:9")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    done = process("topics", "check", OFFBEAT_BROKER="x")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_light_commands_import_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text("")
    program = (
        "import sys; from streams.commands import run; run(sys.argv[1:]);"
        "print([m for m in ('faust', 'mode', 'numpy', 'scipy', 'pyarrow', 'kafka', 'aiokafka', 'redis') "
        "if m in sys.modules])"
    )
    for arguments in (["--help"], ["rules", "check", str(file)], ["rules", "show"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_is_quiet_and_status_130() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        child = subprocess.Popen(
            [*PROGRAM, "topics", "check", "--brokers", address],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        connections = [silent.accept()[0], silent.accept()[0]]  # ours, then the client's, which waits for an answer
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
        for connection in connections:
            connection.close()
    assert (child.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, "rules", "show"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def on_terminal(**environ: str) -> str:
    """What `doctor` writes to a terminal when there is no broker."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [*PROGRAM, "doctor", "--brokers", "127.0.0.1:9"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", **environ},
        stdout=theirs,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    assert done.wait() == 1
    return shown.decode()


def test_a_terminal_gets_a_table_and_colour_unless_it_says_no() -> None:
    shown = on_terminal()
    assert "what to do" in shown
    assert "\x1b[32mok" in shown
    plain = on_terminal(NO_COLOR="1")
    assert "what to do" in plain
    assert "\x1b[3" not in plain


def test_somebody_elses_tables_are_noticed(tmp_path: Path) -> None:
    package = tmp_path / "tables"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('PyTables')")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(1, {str(ROOT)!r}); from streams.__main__ import main; main()",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "'tables' is another package" in done.stderr
    assert "an environment of its own" in done.stderr


def test_our_own_packages_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry.strangers() is None
    missing: ModuleSpec | None = None
    monkeypatch.setattr(entry, "find_spec", lambda _name: missing)
    assert "missing" in (entry.strangers() or "")
