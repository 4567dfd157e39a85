"""What the workers with the same settings decide by."""

from agents.rulebook.rules import Rules, rules_named
from streams.settings import Settings, SettingsError
from tables.parameters import Parameters, ParametersError, parameters_named


def in_force(settings: Settings) -> tuple[Rules, Parameters]:
    """Their rules, and the parameters that are published, or given where they follow none that are.

    Raises SettingsError, RulesError, and what `streams.refit.hand.read_board` does.
    """
    from streams.refit.hand import read_board  # noqa: PLC0415 - aiokafka takes its time

    rules = rules_named(settings.rules)
    try:
        given = parameters_named(settings.parameters)
    except ParametersError as error:
        raise SettingsError(str(error)) from None
    published = read_board(settings).parameters if settings.follows else None
    return rules, published or given
