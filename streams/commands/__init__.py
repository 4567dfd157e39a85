"""The commands. Each is a module here with one function; it is imported when it is called, so that help stays fast."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence

import click

from agents.rulebook.rulesfile import RulesError
from streams import __version__
from streams.settings import SettingsError
from streams.watch.logformat import last_words

FAILURE = 1
USAGE = 2
INTERRUPTED = 130
_LONGEST = 1000
"""Characters of a line that tells an error."""

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("streams.commands.demo:demo", "Real orders through an embedded broker and a worker, live."),
    "worker": ("streams.commands.worker:worker", "Run the stream processor."),
    "replay": ("streams.commands.replay:replay", "Send a log of events to the topics."),
    "fit": ("streams.commands.fit:fit", "Population parameters from a log."),
    "backtest": ("streams.commands.backtest:command", "The same rules over a log, without Kafka."),
    "rules": ("streams.commands.rules:rules", "Show, check and compare the rules."),
    "parameters": ("streams.commands.parameters:parameters", "Show and choose the parameters that workers go by."),
    "customers": ("streams.commands.customers:customers", "What is known of a customer, and why rules fire or do not."),
    "topics": ("streams.commands.topics:topics", "Create, check and grow the topics."),
    "dead-letters": ("streams.commands.deadletters:deadletters", "What was not understood; send it back after a fix."),
    "views": ("streams.commands.views:views", "Write the views in Redis anew."),
    "doctor": ("streams.commands.doctor:doctor", "Check everything around the worker, and say what to do."),
}
"""Name: where its function is, and what the list of commands says of it."""


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for name, (place, _) in COMMANDS.items() if importlib.util.find_spec(place.split(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), function)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="offbeat %(version)s")
def offbeat() -> None:
    """Tell campaign systems, within a second, when a customer drops out of rhythm."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line; the exit status.

    0: done; 2: bad usage or configuration, with one line on standard error; 1: it failed; 130: Ctrl-C.
    """
    try:
        with offbeat.make_context("offbeat", list(arguments)) as context:
            offbeat.invoke(context)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except (SettingsError, RulesError) as error:
        return _told(str(error), USAGE)
    except click.UsageError as error:
        return _told(_usage(error), USAGE)
    except click.ClickException as error:
        return _told(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    return 0


def _usage(error: click.UsageError) -> str:
    command = error.ctx.command_path if error.ctx else "offbeat"
    return f"{error.format_message().rstrip('.')}; see {command} --help"


def _told(message: str, status: int) -> int:
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in message).split())
    if len(line) > _LONGEST:  # what was given is repeated in it, however long it is
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    last_words(line, status)
    return status
