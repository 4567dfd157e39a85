"""A refit itself, in the process that does nothing else."""

import msgspec

from agents.learning.judging import Scores
from agents.learning.refit import renew
from agents.learning.sample import Sample, SampleError, decode_sample, merge
from streams.refit.child import Answer, Task
from streams.refit.records import Score
from tables.parameters import Parameters


def work(task: Task) -> Answer:
    """What the samples say. Raises ValueError when they say nothing at all."""
    sample, damaged = _merged(task.samples)
    found = renew(sample, msgspec.json.decode(task.current, type=Parameters), task.until, task.every)
    return Answer(
        parameters=found.parameters,
        why=f"{found.why}; {damaged} samples could not be read" if damaged else found.why,
        tried=found.tried,
        adopted=found.adopted,
        before=_score(found.before),
        after=_score(found.after),
    )


def _merged(raw: list[bytes]) -> tuple[Sample, int]:
    """All that can be read, and how many cannot."""
    samples = []
    for one in raw:
        try:
            samples.append(decode_sample(one))
        except SampleError:
            continue
    return merge(samples), len(raw) - len(samples)


def _score(scores: Scores | None) -> Score | None:
    return None if scores is None else Score(scores.gaps, scores.ln_likelihood, scores.coverage)
