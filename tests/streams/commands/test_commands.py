"""Commands as a user calls them: help, usage, settings, and one line on standard error when something is wrong."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streams import commands
from streams.commands import COMMANDS, offbeat, run
from streams.commands.options import with_settings
from streams.settings import Settings
from tests.support.commands import refused

pytestmark = pytest.mark.usefixtures("own_directory")


@pytest.mark.parametrize(
    "arguments", [[], ["rules"], ["rules", "show"], ["rules", "check"], ["topics"], ["topics", "create"]]
)
def test_every_command_has_help(arguments: list[str]) -> None:
    result = CliRunner().invoke(offbeat, [*arguments, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")
    assert "..." not in result.output.partition("Commands:")[2]


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


@pytest.mark.parametrize("arguments", [["x" * 100_000], ["--" + "x" * 100_000], ["rules", "check", "x" * 5000]])
def test_what_is_given_may_be_long_and_the_line_is_not(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = refused(capsys, *arguments)
    assert status == 2
    assert len(told) < 1100
    assert "xxx ... xxx" in told


def test_a_wrong_setting_is_status_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFBEAT_DELIVERY", "twice")
    assert refused(capsys, "rules", "show")[0] == 2
    monkeypatch.delenv("OFFBEAT_DELIVERY")
    Path("offbeat.toml").write_text("\nprefiks = 'a'")
    assert refused(capsys, "topics", "check") == (
        2,
        "offbeat.toml:2: prefiks: unknown setting; did you mean prefix?",
    )


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
