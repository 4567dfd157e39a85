"""How right the decisions turn out to be, as metrics: windows against gaps, triggers against what came after them."""

from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import product

from prometheus_client import CollectorRegistry, Counter

from agents.calibration import PARTS, RULES, Gaps, Windows
from agents.decisions import Cancellation, Decision, RuleRef

VERSIONS = 8
"""So many versions of a rule have series of their own; triggers of further ones are of `other`."""
RHYTHMS = 4
"""So many rhythms have series of their own; when another comes, the one that has been silent for longest goes."""
WITHIN = ("use", "horizon", "later")
"""When a trigger was contradicted: while it was of use (`expires`), else within 90 days, else later."""
_PARTS = [f"{part:g}" for part in PARTS]
_HORIZON = timedelta(days=90)


class CalibrationMetrics:
    """Counted once a batch, of what is durable."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.gaps = Counter(
            "offbeat_window_gaps",
            "Gaps that closed, by the part of the customer's window, whose it is and what it is made from; of a sample",
            ["part", "rule", "rhythm"],
            registry=registry,
        )
        self.expected = Counter(
            "offbeat_window_gaps_expected",
            "Of the same sample, gaps that should have closed",
            ["part", "rule", "rhythm"],
            registry=registry,
        )
        self.sent = Counter(
            "offbeat_rule_triggers", "Triggers sent, by rule and version", ["rule", "version"], registry=registry
        )
        self.contradicted = Counter(
            "offbeat_rule_contradicted",
            "Of these, contradicted by what the customer did, by how soon",
            ["rule", "version", "within"],
            registry=registry,
        )
        self._rhythms: list[str] = []
        """Those with series, the one that was counted last at the end."""
        self._versions: dict[str, set[str]] = {}

    def rules_are(self, versions: Mapping[str, str]) -> None:
        """The rules in force, with their versions: their counters begin with 0."""
        for rule, version in versions.items():
            self._labels(RuleRef(rule, version))

    def windows_are_of(self, rhythm: str) -> None:
        """What windows are made from, of now: its series begin with 0, and are the last to go."""
        if self._rhythms[-1:] == [rhythm]:
            return
        if rhythm in self._rhythms:
            self._rhythms.remove(rhythm)
        else:
            for part, rule in product(_PARTS, RULES):
                self.gaps.labels(part, rule, rhythm)
                self.expected.labels(part, rule, rhythm)
        self._rhythms.append(rhythm)
        if len(self._rhythms) > RHYTHMS:
            oldest = self._rhythms.pop(0)
            for part, rule in product(_PARTS, RULES):
                self.gaps.remove(part, rule, oldest)
                self.expected.remove(part, rule, oldest)

    def closed(self, counts: Mapping[Windows, Gaps]) -> None:
        """A batch with these gaps is durable."""
        for windows, gaps in counts.items():
            self.windows_are_of(windows.rhythm)
            for part, came, should in zip(_PARTS, gaps.seen, gaps.expected, strict=True):
                if came:
                    self.gaps.labels(part, *windows).inc(came)
                if should:
                    self.expected.labels(part, *windows).inc(should)

    def decided(self, decisions: Iterable[Decision]) -> None:
        """A batch with these decisions is durable."""
        sent: Counts[RuleRef] = Counts()
        contradicted: Counts[tuple[RuleRef, str]] = Counts()
        for decision in decisions:
            if isinstance(decision, Cancellation):
                if decision.cause["type"] != "customer.erased":
                    contradicted[decision.rule, _how_soon(decision)] += 1
            elif not isinstance(decision.suppressed_by, str):
                sent[decision.rule] += 1
        for ref, count in sent.items():
            self.sent.labels(*self._labels(ref)).inc(count)
        for (ref, within), count in contradicted.items():
            self.contradicted.labels(*self._labels(ref), within).inc(count)

    def _labels(self, ref: RuleRef) -> tuple[str, str]:
        """Of the rule; its counters begin together, so that each can be divided by the other."""
        known = self._versions.setdefault(ref.name, set())
        version = ref.version
        if version not in known:
            if len(known) >= VERSIONS:
                version = "other"
            known.add(version)
            self.sent.labels(ref.name, version)
            for within in WITHIN:
                self.contradicted.labels(ref.name, version, within)
        return ref.name, version


def _how_soon(cancellation: Cancellation) -> str:
    if cancellation.cancelled_at <= cancellation.expires_at:  # ISO 8601 in UTC: in the order of time
        return "use"
    fired, at = (datetime.fromisoformat(when) for when in (cancellation.fired_at, cancellation.cancelled_at))
    return "horizon" if at - fired <= _HORIZON else "later"
