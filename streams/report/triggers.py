"""The figures of what was sent: how much and when, whether it was right, who came back, and simple rules beside it."""

from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np

from agents.decisions import FAMILIES
from agents.evidence.flags import Jury, Placed, Score
from agents.evidence.scoring import Trial
from agents.evidence.simplerules import Contest, SimpleRule, simple_rules
from agents.fit.histories import Ints, Mask, Occasions
from agents.rulebook.rules import NAMES, ProductReplenishDue, Rules
from streams.report.calibration import Json, short
from streams.report.fired import Fired
from streams.report.replenished import score as replenished
from tables.orders import DAY

ABSENCE = ("repurchase.overdue", "first_purchase.lapsed")
_BACK_DAYS = (1, 3, 7, 14, 30, 60, 90, 180, 365)


class Triggers:
    """The triggers after `train_until`, against the orders that followed."""

    def __init__(
        self, trial: Trial, occasions: Occasions, fired: Fired, rules: Rules, loyal: Mask | None = None
    ) -> None:
        """`occasions`: of the trial's orders. `loyal`: which customers are, by number; None: nobody knows."""
        self._loyal = loyal
        self._trial, self._occasions, self._fired = trial, occasions, fired
        self._rules = rules.by_name()
        self._replenish = rules.product_replenish_due
        self._jury = Jury(trial, occasions)

    def by_type(self) -> dict[str, Json]:
        """Per type its score, how many it sent on each day, and who came back and when."""
        return {name: self._one(name) for name in NAMES}

    def _one(self, name: str) -> Json:
        flags = self._fired.flags(name)
        placed = self._jury.place(flags)
        family = FAMILIES[name]
        if name == ProductReplenishDue.NAME:
            score = replenished(self._fired.needed.told(), self._trial, self._replenish)
            score["fired"] = placed.at.size  # one trigger may be about several products
        elif family == "repurchase":
            score = _shown(self._jury.score(flags, self._about(name)))
        else:
            score = {"fired": placed.at.size, "precision": None, "recall": None, "median_delay_days": None}
        if family == "cart":
            score["precision"] = self._not_bought(placed, self._rules[name].expires)
        return {**score, "per_day": _per_day(placed.at), "came_back": self._came_back(placed)}

    def _about(self, name: str) -> Mask:
        """The customers of whom a rule of absence speaks: those with one order, with more, or the loyal ones."""
        if name == "loyal.at_risk" and self._loyal is not None:
            return self._loyal
        once: Mask = self._jury.count == 1
        return once if name == "first_purchase.lapsed" else self._jury.count > 1

    def _not_bought(self, placed: Placed, expires: int) -> float | None:
        """Of what was left behind and reminded of: the share not followed by an order while the trigger was of use."""
        over = placed.at <= self._trial.end - expires
        return short(float(np.mean(placed.back[over] > expires / DAY))) if over.any() else None

    def _came_back(self, placed: Placed) -> Json:
        """Per number of days, of those who were watched for so long, how many had ordered by then."""
        back = placed.back[np.isfinite(placed.back)]
        rows = []
        for days in _BACK_DAYS:
            watched = placed.at <= self._trial.end - days * DAY
            if watched.any():
                rows.append({"days": days, "of": int(watched.sum()), "back": int((placed.back[watched] <= days).sum())})
        return {
            "within": rows,
            "by_the_end": back.size,
            "median_days": short(float(np.median(back)), 1) if back.size else None,
        }

    def compared(self) -> list[Json]:
        """The rules of absence together, and simple ones: as they are usually set, and set to find as many."""
        ours = self._jury.score(self._fired.flags(*ABSENCE))
        rows = [{"rule": " + ".join(ABSENCE), **_shown(ours)}]
        contest = Contest(self._trial, self._occasions, self._jury)
        for rule in simple_rules(self._trial):
            row = {"rule": rule.name, **_set(contest, rule, rule.setting)}
            if ours.recall:
                row["at_equal_recall"] = _set(contest, rule, contest.setting(rule, ours.recall))
            rows.append(row)
        return rows


def _set(contest: Contest, rule: SimpleRule, setting: float) -> Json:
    return {"setting": short(setting, 3), **_shown(contest.score(rule, setting))}


def _shown(score: Score) -> Json:
    shown: Json = asdict(score)
    for name in ("precision", "recall", "median_delay_days", "false_alarms"):
        shown[name] = short(shown[name])
    shown["precision_by_class"] = {name: short(share) for name, share in score.precision_by_class.items()}
    return shown


def _per_day(at: Ints) -> dict[str, int]:
    days, counts = np.unique(at // DAY, return_counts=True)
    return {
        datetime.fromtimestamp(day * DAY / 1000, UTC).date().isoformat(): count
        for day, count in zip(days.tolist(), counts.tolist(), strict=True)
    }
