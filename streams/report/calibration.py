"""The figures of the model of timing: do windows contain what they promise, and do the silent stay silent?"""

from typing import Any

from agents.evidence.inforce import Past, gaps_in_force, silence_in_force
from agents.evidence.scoring import (
    CLASSES,
    Silence,
    Trial,
    auc,
    brier,
    class_of,
    course_in,
    coverage,
    foretold_gaps,
    foretold_silence,
    spread,
)
from agents.fit.histories import Floats, Mask
from agents.models.levels import NAMES
from tables.parameters import Parameters

Json = dict[str, Any]


def calibration(trial: Trial, parameters: Parameters, not_told: list[str], past: Past = ()) -> Json:
    """Coverage by level and class, the spread of gaps over their windows, AUC and Brier score of silence foretold.

    `past`: the parameters that were in force, where they were learned on the way; else `parameters` were.
    """
    if past:
        gaps, silence = gaps_in_force(trial, past), silence_in_force(trial, past)
    else:
        course, prior = course_in(trial, parameters), parameters.timing
        gaps, silence = foretold_gaps(trial, prior, course), foretold_silence(trial, prior, course)
    if not gaps.window.size:
        not_told.append("coverage: no gap between orders began after train_until and closed in time")
    if not silence.p.size:
        not_told.append("silence: fewer than 90 days after train_until")
    return {
        "window_coverage": _levels(gaps.window),
        "forecast_coverage": _levels(gaps.forecast),
        "coverage_by_class": {name: _levels(gaps.window[class_of(gaps.earlier, name)]) for name in CLASSES},
        "coverage_gaps": {"all": gaps.window.size}
        | {name: int(class_of(gaps.earlier, name).sum()) for name in CLASSES},
        "calibration": {"window": spread(gaps.window), "forecast": spread(gaps.forecast)},
        "silence": _silence(silence),
    }


def short(value: float | None, digits: int = 4) -> float | None:
    """A figure of the report; None stays: the log cannot tell."""
    return None if value is None else round(value, digits)


def _levels(u: Floats) -> dict[str, float | None]:
    return {name: short(share) for name, share in zip(NAMES, coverage(u).values(), strict=True)}


def _silence(silence: Silence) -> Json:
    return {
        "horizon_days": 90,
        "dates": int(silence.date.max(initial=-1)) + 1,
        **_scores(silence.p, silence.silent),
        "at_train_until": _scores(silence.p[silence.date == 0], silence.silent[silence.date == 0]),
        "by_class": {
            name: _scores(silence.p[rows], silence.silent[rows])
            for name in CLASSES
            if (rows := class_of(silence.earlier, name)).any()
        },
    }


def _scores(p: Floats, silent: Mask) -> Json:
    return {
        "customers": p.size,
        "auc": short(auc(p, silent)),
        "brier": short(brier(p, silent)),
        "foretold": short(float(p.mean())) if p.size else None,
        "silent": short(float(silent.mean())) if p.size else None,
    }
