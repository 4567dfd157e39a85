"""Windows and triggers against what came, as metrics."""

from prometheus_client import CollectorRegistry

from agents.calibration import RULES, Gaps, Windows
from agents.decisions import Cancellation, Decision, RuleRef, Trigger
from streams.watch.calibrationmetrics import RHYTHMS, VERSIONS, CalibrationMetrics

REF = RuleRef("repurchase.overdue", "1-aa")
FIRED, EXPIRES = "2026-01-01T10:00:00.000Z", "2026-01-31T10:00:00.000Z"


def sent(ref: RuleRef = REF, *, held: bool = False) -> Trigger:
    trigger = Trigger(
        trigger_id="t",
        type=ref.name,
        customer_id="ann",
        rule=ref,
        due_at=FIRED,
        fired_at=FIRED,
        expires_at=EXPIRES,
        reason="",
        evidence={},
    )
    if held:
        trigger.suppressed_by = "stale"
    return trigger


def taken_back(at: str, ref: RuleRef = REF, cause: str = "order.completed") -> Cancellation:
    return Cancellation(
        trigger_id="t",
        type=f"{ref.name}.cancelled",
        customer_id="ann",
        rule=ref,
        due_at=FIRED,
        fired_at=FIRED,
        expires_at=EXPIRES,
        cancelled_at=at,
        reason="",
        cause={"type": cause},
    )


def counted(*decisions: Decision, versions: dict[str, str] | None = None) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    metrics = CalibrationMetrics(registry)
    metrics.rules_are(versions or {})
    metrics.decided(decisions)
    return {
        (sample.name.removeprefix("offbeat_rule_"), *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("offbeat_rule_") and sample.name.endswith("_total")
    }


def test_triggers_and_how_soon_they_were_contradicted() -> None:
    rule, version = REF.name, REF.version
    found = counted(
        *[sent()] * 5,
        sent(held=True),
        taken_back(EXPIRES),
        taken_back("2026-01-31T10:00:00.001Z"),
        taken_back("2026-04-01T10:00:00.000Z"),
        taken_back("2026-04-01T10:00:00.001Z"),
        taken_back(FIRED, cause="customer.erased"),
        taken_back(FIRED, cause="order.refunded"),
    )
    assert found == {
        ("triggers_total", rule, version): 5,
        ("contradicted_total", rule, version, "use"): 2,
        ("contradicted_total", rule, version, "horizon"): 2,
        ("contradicted_total", rule, version, "later"): 1,
    }


def test_counters_of_a_rule_begin_together() -> None:
    assert set(counted(versions={"cart.abandoned": "1-cc"}).values()) == {0.0}
    found = counted(taken_back(FIRED))
    assert found["triggers_total", REF.name, REF.version] == 0


def test_versions_are_bounded() -> None:
    refs = [RuleRef(REF.name, f"1-{number}") for number in range(VERSIONS + 3)]
    found = counted(*map(sent, refs), *(taken_back(FIRED, ref) for ref in refs), sent(RuleRef("cart.abandoned", "1-x")))
    versions = {labels[2]: value for labels, value in found.items() if labels[:2] == ("triggers_total", REF.name)}
    assert versions == {**{f"1-{number}": 1 for number in range(VERSIONS)}, "other": 3}
    assert found["contradicted_total", REF.name, "other", "use"] == 3
    assert found["triggers_total", "cart.abandoned", "1-x"] == 1


FIRST, LATER = "first_purchase.lapsed", "repurchase.overdue"


def value(registry: CollectorRegistry, name: str, part: str, rule: str = LATER, rhythm: str = "aa") -> float | None:
    labels = {"part": part, "rule": rule, "rhythm": rhythm}
    return registry.get_sample_value(f"offbeat_window_{name}_total", labels)


def test_gaps_by_part_of_the_window_and_whose_it_is() -> None:
    registry = CollectorRegistry()
    metrics = CalibrationMetrics(registry)
    parts = ("0.5", "0.8", "0.9", "1")
    metrics.windows_are_of("aa")
    assert [value(registry, "gaps", part, rule) for part in parts for rule in (FIRST, LATER)] == [0] * 8
    metrics.closed({Windows(LATER, "aa"): Gaps((1, 0, 2, 0), (0.5, 0.25, 0.125, 0.0))})
    metrics.closed({})
    metrics.closed({Windows(LATER, "aa"): Gaps((1, 1, 0, 0), (0.5, 0.0, 0.0, 1.5))})
    assert [value(registry, "gaps", part) for part in parts] == [2, 1, 2, 0]
    assert [value(registry, "gaps_expected", part) for part in parts] == [1.0, 0.25, 0.125, 1.5]
    assert [value(registry, "gaps", part, FIRST) for part in parts] == [0] * 4


def test_rhythms_are_bounded_and_the_oldest_one_goes() -> None:
    registry = CollectorRegistry()
    metrics = CalibrationMetrics(registry)
    gaps = Gaps((1, 0, 0, 0), (1.0, 0.0, 0.0, 0.0))
    for number in range(RHYTHMS):
        metrics.closed({Windows(LATER, str(number)): gaps})
    metrics.closed({Windows(LATER, "0"): gaps})  # of another partition, which has not changed yet
    metrics.closed({Windows(LATER, "new"): gaps})
    assert [value(registry, "gaps", "0.5", rhythm=str(number)) for number in range(RHYTHMS)] == [2, None, 1, 1]
    assert value(registry, "gaps", "0.5", rhythm="new") == 1
    samples = sum(len(family.samples) for family in registry.collect() if "window_gaps" in family.name)
    assert samples == 2 * 2 * 4 * len(RULES) * RHYTHMS  # each counter also says when it began
