"""All figures of a report (contract: commands), and what the log could not tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.decisions import iso
from agents.evidence.returning import returning
from agents.evidence.scoring import CLASSES, HORIZON, Trial, class_of
from agents.fit.histories import Mask, occasions_of
from agents.fit.standings import loyal_customers
from agents.rulebook.rules import Rules
from streams.backtest import Tally
from streams.livepath import Renewal
from streams.report.calibration import Json, calibration
from streams.report.fired import Fired
from streams.report.stories import Stories
from streams.report.triggers import Triggers
from streams.report.value import value
from tables.events import CARTS
from tables.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Backtested:
    """A backtest that is over."""

    trial: Trial
    parameters: Parameters
    notes: list[str]
    """Of the fit; none when nothing was fitted."""
    fitted: bool
    rules: Rules
    fired: Fired
    stories: Stories
    tally: Tally
    currencies: tuple[str, ...] = ()
    """What the numbers in `trial.orders.currency` stand for."""
    renewals: Sequence[Renewal] = ()
    """What was learned on the way; none where parameters stayed."""

    @property
    def past(self) -> list[tuple[int, Parameters]]:
        """The parameters in force, from when on; empty where they stayed."""
        learned = [(one.at, one.found.parameters) for one in self.renewals if one.found.parameters is not None]
        return [(self.trial.train_until, self.parameters), *learned] if self.renewals else []


def figures(done: Backtested) -> Json:
    """The content of report.json; the whole log is described, only what came after `train_until` is scored."""
    trial = done.trial
    occasions = occasions_of(trial.orders)
    triggers = Triggers(trial, occasions, done.fired, done.rules, _loyal(done))
    not_told = _not_told(done)
    scored = calibration(trial, done.parameters, not_told, done.past)
    worth = value(trial, done.parameters, not_told)
    return {
        "orders": len(trial.orders),
        "customers": done.tally.customers,
        "customers_with_orders": int(np.unique(trial.orders.customer).size),
        "begin": iso(int(trial.orders.at.min())) if len(trial.orders) else None,
        "train_until": iso(trial.train_until),
        "end": iso(trial.end),
        "parameters": {"version": done.parameters.version, "fitted": done.fitted, "notes": done.notes},
        "learned": _learned(done.renewals),
        **scored,
        "triggers": triggers.by_type(),
        "compared": triggers.compared(),
        "value": worth,
        "returning": {
            "after_the_first_order": _curve(returning(occasions.take(occasions.x == 0), trial.end)),
            "after_a_later_order": _curve(returning(occasions.take(occasions.x > 0), trial.end)),
            "by_orders": {
                name: {"customers": int(np.unique(those.customer).size), "within": _curve(returning(those, trial.end))}
                for name in CLASSES
                if len(those := occasions.take(class_of(occasions.x + 1, name)))
            },
        },
        "rules": done.rules.versions,
        "stories": done.stories.tell(),
        "not_told": not_told,
    }


def _loyal(done: Backtested) -> Mask | None:
    """The customers whom loyal.at_risk could be about; None: the parameters do not know what the best have spent."""
    standing, rule = done.parameters.standing, done.rules.loyal_at_risk
    if standing is None:
        return None
    return loyal_customers(done.trial.orders, done.currencies, standing, rule.share, rule.min_orders)


def _curve(shares: dict[int, float]) -> dict[str, float]:
    return {str(day): round(share, 4) for day, share in shares.items()}


def _learned(renewals: Sequence[Renewal]) -> Json:
    """The refits that a live worker would have made, with the scores of customers who were held back."""
    refits = [one for one in renewals if one.found.tried]
    return {
        "weeks": len(renewals),
        "adopted": sum(one.found.adopted for one in refits),
        "refits": [
            {
                "at": iso(one.at),
                "adopted": one.found.adopted,
                "why": one.found.why,
                "version": one.found.parameters.version if one.found.parameters else None,
            }
            for one in refits
        ],
    }


def _not_told(done: Backtested) -> list[str]:
    trial, told = done.trial, []
    if trial.end - trial.train_until < HORIZON:
        told.append("precision of the repurchase family: fewer than 90 days after train_until")
    if not (trial.orders.at <= trial.end - 2 * HORIZON).any():
        told.append("recall of the repurchase family: the log is shorter than 180 days")
    if not done.tally.sources[CARTS]:
        told.append("carts: the log holds none")
    if not len(trial.sold):
        told.append("products: no order says what was bought")
    if not (trial.orders.total > 0).any():
        told.append("baskets: no order has an amount")
    else:
        if done.parameters.standing is None:
            told.append("loyal.at_risk: the parameters do not know what the best customers have spent, so it is silent")
        told.append("precision and recall of the basket family: nobody knows whose baskets were to change")
    return told
