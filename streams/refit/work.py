"""A refit itself, in the process that does nothing else."""

import msgspec
from msgspec import Raw

from agents.refit import Scores, extend_clock, refit
from agents.sample import Sample, SampleError, decode_sample, merge
from streams.refit.child import Answer, Task
from streams.refit.records import Score
from tables.parameters import Parameters


def work(task: Task) -> Answer:
    """What the samples say. Raises ValueError when they say nothing at all."""
    current = msgspec.json.decode(task.current, type=Parameters)
    sample, damaged = _merged(task.samples)
    note = f"; {damaged} samples could not be read" if damaged else ""
    extended = extend_clock(sample, current, task.until)
    clock = Answer(parameters=_raw(extended), why=f"{_CLOCK if extended else _NO_WEEK}{note}")
    if not task.whole:
        return clock
    found = refit(sample, current, task.until)
    why = f"{found.why}{note}"
    before, after = _score(found.before), _score(found.after)
    if found.parameters is None and extended is not None:
        why = f"{why}; {_CLOCK}"
    parameters = _raw(found.parameters) or clock.parameters
    return Answer(parameters=parameters, why=why, before=before, after=after)


_CLOCK = "the population's clock goes on by the weeks that are over"
_NO_WEEK = "no week is over that the population's clock does not know"


def _merged(raw: list[bytes]) -> tuple[Sample, int]:
    """All that can be read, and how many cannot."""
    samples = []
    for one in raw:
        try:
            samples.append(decode_sample(one))
        except SampleError:
            continue
    return merge(samples), len(raw) - len(samples)


def _raw(parameters: Parameters | None) -> Raw | None:
    return None if parameters is None else Raw(msgspec.json.encode(parameters))


def _score(scores: Scores | None) -> Score | None:
    return None if scores is None else Score(scores.gaps, scores.ln_likelihood, scores.coverage)
