"""`rules show`, `rules check` and `rules diff`."""

from pathlib import Path
from typing import Any

import click

from agents.rulebook.currencies import RATE
from agents.rulebook.guardrules import Guards
from agents.rulebook.kinds import settable
from agents.rulebook.rules import TYPES, Rules, load_rules, rules_named
from streams.commands.options import with_settings
from streams.commands.output import show_json, show_rows
from streams.settings import Settings


class _Rules(click.Group):
    """`diff` works on logs, whose libraries take long to import: it is imported when it is called."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "diff":
            return super().get_command(ctx, cmd_name)
        from streams.commands.rulesdiff import diff  # noqa: PLC0415

        return diff

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "diff"])


@click.group(cls=_Rules, no_args_is_help=False)
def rules() -> None:
    """Show, check and compare the rules."""


@rules.command(short_help="Check a rules FILE.")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check a rules FILE: one line when it is valid, else the line of the error."""
    found = load_rules(file)
    on = sum(rule.enabled for rule in found.by_name().values())
    warn(found)
    click.echo(f"{file} is valid: {on} of {len(TYPES)} rules are on")


@rules.command(short_help="Show the active rules.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("rules")
def show(settings: Settings, as_json: bool) -> None:
    """Show the active rules: every number, what differs from the defaults, and the versions."""
    found = rules_named(settings.rules)
    warn(found)
    listing = _listing(found)
    if as_json:
        show_json({"file": str(settings.rules) if settings.rules else None, **listing})
        return
    rows = [
        (name, str(table.get("version", "")), key, s["value"], _differs(s))
        for name, table in [*listing["rules"].items(), *((part, listing[part]) for part in ("guards", "currencies"))]
        for key, s in table["settings"].items()
    ]
    show_rows(("rule", "version", "setting", "value", "differs"), rows)


def warn(found: Rules) -> None:
    """What a file sets and this version does not apply, on standard error."""
    for warning in found.warnings():
        click.echo(f"offbeat: {warning}", err=True)


def _listing(found: Rules) -> dict[str, Any]:
    """Names and values as the rules file writes them."""
    return {
        "rules": {
            name: {"version": found.versions[name], "settings": _settings(rule, TYPES[name]())}
            for name, rule in found.by_name().items()
        },
        "guards": {"settings": _settings(found.guards, Guards())},
        "currencies": {
            "settings": {
                name: {"value": RATE.show(rate), "default": ""} for name, rate in found.currencies.rates.items()
            }
        },
    }


def _differs(setting: dict[str, str]) -> str:
    default = setting["default"]
    return "" if setting["value"] == default else f"default {default}" if default else "added"


def _settings(part: object, default: object) -> dict[str, dict[str, str]]:
    """Per setting its value and its default."""
    return {
        name: {key: f.metadata["kind"].show(getattr(of, name)) for key, of in (("value", part), ("default", default))}
        for name, f in settable(type(part)).items()
    }
