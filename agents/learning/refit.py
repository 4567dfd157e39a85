"""What becomes of a population's parameters as its orders come: the clock every week, the rest now and then.

A shop begins with built-in parameters, or those of a file. At FIRST orders, at every three times as many, and every 28
days, rhythm and baskets are fitted anew to a sample of its customers. One in five is held back from every fit, the same
ones each time, and nothing is adopted that does worse on them: neither by the likelihood of their gaps nor, beyond
chance, by the shares of them that windows hold.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import sqrt

import msgspec
import numpy as np

from agents.fit.clockfit import MIN_DAYS, MIN_GAPS
from agents.fit.histories import Occasions
from agents.learning.following import begun, extended, relevelled
from agents.learning.judging import Scores, judge, judge_baskets
from agents.learning.livefit import baskets_in, fit_baskets, fit_rhythm
from agents.learning.remembered import occasions_in
from agents.learning.sample import EVERYBODY, Sample
from agents.learning.worth import FIRST, GROWN
from tables.clock import Clock
from tables.live import Live
from tables.orders import DAY
from tables.parameters import BasketPrior, Parameters

EVERY = 28 * DAY
_GROWTH = 1.02
"""What a shop must have grown by since the last refit, for one by the calendar: nothing new, nothing to fit."""


@dataclass(frozen=True, slots=True)
class Refit:
    """What a refit came to."""

    parameters: Parameters | None
    """None: the current ones stay."""
    why: str
    """One sentence for people: what was adopted, or why it was not."""
    tried: bool = False
    """A fit was made, adopted or not."""
    adopted: bool = False
    """It was; False with `parameters`: the clock alone goes on."""
    before: Scores | None = None
    after: Scores | None = None
    """How the current rhythm and the new one do on customers who are held back."""


def renew(sample: Sample, current: Parameters, now: int, every: int = EVERY) -> Refit:
    """What is to be done at a week's end: a refit where one is due, else the clock goes on.

    `now` (epoch ms): when the result is to hold from, not before the sample's instant. `every`: see `refit_due`.
    """
    if refit_due(sample, current, now, every):
        return refit(sample, current, now)
    further = extend_clock(sample, current, now)
    return Refit(
        further, f"the clock goes on to {_day(now)}" if further else f"{current.version} stays: nothing is new"
    )


def orders_in(sample: Sample, occasions: Occasions) -> int:
    """The shop's orders, days with several counted once, as the sample tells."""
    gaps = occasions.newest().x
    return round(float(np.sum(gaps + 1)) * EVERYBODY / sample.threshold)


def refit_due(sample: Sample, current: Parameters, now: int, every: int = EVERY) -> bool:
    """Whether enough is new since the last refit, or it is `every` ms ago."""
    orders = orders_in(sample, occasions_in(sample, Clock(current.clock)))
    live = current.live
    if live is None or not live.fitted_at:
        return orders >= FIRST
    grown = orders / max(live.orders, 1)
    return grown >= GROWN or (now - live.fitted_at >= every and grown >= _GROWTH)


def extend_clock(sample: Sample, current: Parameters, now: int) -> Parameters | None:
    """The current parameters with the paces of the weeks that are over at `now` (epoch ms); None: no week is."""
    found = extended(occasions_in(sample, Clock(current.clock)), current, now)
    return None if found is None else _named(found, now)


def refit(sample: Sample, current: Parameters, now: int) -> Refit:
    """Parameters fitted to a sample, of which those who are held back must think no worse than of the current ones.

    The clock goes on in any case, and its past stays. What is neither rhythm nor basket nor clock stays as it is.
    """
    occasions = occasions_in(sample, Clock(current.clock))
    base = extended(occasions, current, now) or current
    if base.clock != current.clock:
        occasions = occasions_in(sample, Clock(base.clock))
    tried = _fitted(sample, occasions, base, now)
    orders = orders_in(sample, occasions)
    result = _followed(occasions, tried.parameters or base, now)
    if result.live is not None:
        live = msgspec.structs.replace(result.live, fitted_at=now, orders=orders)
        result = msgspec.structs.replace(result, live=live)
    return replace(tried, parameters=_named(result, now))


def _followed(occasions: Occasions, found: Parameters, now: int) -> Parameters:
    """With a clock from now on, for a shop that is old enough; with the weeks that workers go on from, in any case."""
    if found.live is not None and found.live.seen:
        return found
    gaps = int(np.count_nonzero(np.isfinite(occasions.gap)))
    old = len(occasions) > 0 and now - int(occasions.last_at.min()) >= MIN_DAYS * DAY
    if not found.clock and found.timing.level == 0 and old and gaps >= MIN_GAPS:
        return begun(occasions, found, now)
    if found.live is None:
        since = datetime.fromtimestamp(now / 1000, UTC).date()
        return msgspec.structs.replace(found, live=Live(since, 1.0))
    return found


def _fitted(sample: Sample, occasions: Occasions, base: Parameters, now: int) -> Refit:
    """The rhythm and the baskets, each if it does no worse."""
    clock, judges = Clock(base.clock), sample.held_back
    judging = judges[occasions.customer]
    jury = occasions.take(judging)
    found = fit_rhythm(occasions.take(~judging), clock, now)
    before = judge(jury, base.timing, clock, now)
    after = judge(jury, found.prior, clock, now)
    basket = _better_basket(sample, base.basket)
    refused = _worse(before, after)
    result = base
    if basket is not None:
        result = msgspec.structs.replace(result, basket=basket)
    if refused is None:
        result = relevelled(occasions, result, found.prior)
    adopted = refused is None or basket is not None
    why = _why(before, after, refused, basket is not None)
    return Refit(result if adopted else None, why, True, adopted, before, after)


def _better_basket(sample: Sample, current: BasketPrior) -> BasketPrior | None:
    judges = sample.held_back
    fitting, judging = baskets_in(sample.take(~judges)), baskets_in(sample.take(judges))
    if fitting is None or judging is None:
        return None
    new = fit_baskets(fitting)
    found = msgspec.structs.replace(current, m0=new.m0, k0=new.k0, a0=new.a0, b0=new.b0)  # limits are `fit`'s to find
    return found if judge_baskets(judging, found) > judge_baskets(judging, current) else None


def _worse(before: Scores, after: Scores) -> str | None:
    """Why not; None: the new ones do no worse."""
    if not after.gaps:
        return "nobody is held back who could judge it"
    if after.ln_likelihood <= before.ln_likelihood:
        return "it makes what customers who are held back did no likelier"
    if before.off is not None and after.off is not None and after.off > before.off + 1 / sqrt(after.closed):
        return f"its windows are off by {after.off:.0%} on who is held back, those of now by {before.off:.0%}"
    return None


def _why(before: Scores, after: Scores, refused: str | None, basket: bool) -> str:
    gain = after.ln_likelihood - before.ln_likelihood
    figures = f"ln likelihood {gain:+.4f} per gap of {after.gaps:,} held back"
    if before.off is not None and after.off is not None:
        figures += f", windows off by {after.off:.1%} instead of {before.off:.1%}"
    baskets = "; baskets are new" if basket else ""
    if refused is None:
        return f"the rhythm is new: {figures}{baskets}"
    return f"the rhythm stays, as {refused} ({figures}){baskets}"


def _named(parameters: Parameters, now: int) -> Parameters:
    at = datetime.fromtimestamp(now / 1000, UTC)
    return msgspec.structs.replace(parameters, version=f"live-{at:%Y-%m-%dT%H:%MZ}")


def _day(now: int) -> str:
    return f"{datetime.fromtimestamp(now / 1000, UTC):%Y-%m-%d}"
