"""What workers tell of the population parameters that they go by, and of refits."""

from math import nan
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from agents.models.levels import NAMES
from streams.refit.records import Tried
from tables.parameters import Parameters

OUTCOMES = ("adopted", "kept", "clock", "failed")
_BUCKETS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)


class RefitMetrics:
    """Kept by the thread of parameters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"offbeat_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"offbeat_{name}", meaning, labels, registry=registry)

        self._info = gauge(
            "parameters_info",
            "1, by the version of the parameters in force and what windows are made from",
            *("version", "rhythm"),
        )
        self._adopted = gauge("parameters_adopted_seconds", "When this worker began to go by them, Unix time")
        self.ignored = counter("parameters_ignored", "Records of the topic of parameters that were left alone")
        self.failures = counter("parameters_failures", "Errors of brokers in reading and writing that topic")
        self.samples = counter("refit_samples", "Samples of partition numbers written for refits")
        self.refits = counter("refits", "Refits that this worker has led, by what became of them", "outcome")
        self.seconds = Histogram(
            "offbeat_refit_seconds", "From the start of a refit to its end", buckets=_BUCKETS, registry=registry
        )
        self._score = gauge("refit_score", "ln likelihood per gap of held-back customers, in the last refit", "of")
        self._coverage = gauge("refit_coverage", "Share of their gaps inside the windows of this level", "of", "window")
        self._failing = gauge("refit_failing_rounds", "Rounds in a row whose refit has failed")
        for outcome in OUTCOMES:
            self.refits.labels(outcome)
        for of in ("before", "after"):
            self._score.labels(of).set(nan)
            for window in NAMES:
                self._coverage.labels(of, window).set(nan)
        self._version = ""

    @property
    def version(self) -> str:
        """Of the parameters in force; empty as long as that is not known."""
        return self._version

    def in_force(self, parameters: Parameters) -> None:
        """The worker goes by these from now on."""
        if parameters.version == self._version:
            return
        self._info.clear()
        self._version = parameters.version
        self._info.labels(parameters.version, parameters.rhythm).set(1)
        self._adopted.set(time())

    def tried(self, last: Tried | None) -> None:
        """How the last refit ended, whoever led it."""
        if last is None:
            return
        self._failing.set(last.failures)
        for of, score in (("before", last.before), ("after", last.after)):
            if score is not None:
                self._score.labels(of).set(score.ln_likelihood)
                for window, share in (score.by_window or {}).items():
                    self._coverage.labels(of, window).set(share)
