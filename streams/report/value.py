"""The figures of what customers are worth: foretold at `train_until`, against what came."""

from agents.evidence.scoring import Trial
from agents.evidence.valuescore import TENTHS, Compared, ValueTrial, value_trial
from agents.models.value import LEVEL
from streams.report.calibration import Json, short
from tables.parameters import Parameters


def value(trial: Trial, parameters: Parameters, not_told: list[str]) -> Json | None:
    """Orders and value by tenths of customers, how well they are ranked, and whether intervals hold; None: unknown."""
    found = value_trial(trial, parameters)
    if found is None:
        not_told.append("value: nobody had ordered before train_until, or nothing comes after it")
        return None
    return {
        "horizon_days": round(found.days, 1),
        "customers": found.orders.came.size,
        "orders": _compared(found.orders),
        "value": None if found.value is None else _compared(found.value),
        "tenths": _tenths(found),
    }


def _compared(figure: Compared) -> Json:
    below, inside, above = figure.interval
    return {
        "foretold": round(float(figure.foretold.mean.sum()), 2),
        "came": round(float(figure.came.sum()), 2),
        "spearman": short(figure.spearman),
        "gini": short(figure.gini),
        "top10_caught": short(figure.caught(1 / TENTHS)),
        "top10_possible": short(figure.possible),
        "interval": {"level": LEVEL, "below": short(below), "inside": short(inside), "above": short(above)},
    }


def _tenths(found: ValueTrial) -> list[Json]:
    """From the tenth of customers of whom most was foretold; value is null where no order has an amount."""
    names = ("customers", "orders_foretold", "orders", "value_foretold", "value")
    rows = []
    for tenth in found.tenths():
        row: Json = dict(zip(names, (tenth[0], *(round(figure, 2) for figure in tenth[1:])), strict=True))
        rows.append(row if found.value else row | {"value_foretold": None, "value": None})
    return rows
