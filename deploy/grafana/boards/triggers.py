"""For whoever answers for the campaigns: what was sent, what was held back, and what customers contradicted."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.panels import Curves, Figure, Query, Row, board

_SENT = "offbeat_triggers_total"
_HELD = "offbeat_triggers_suppressed_total"
_BACK = "offbeat_trigger_cancellations_total"
_LATE = "offbeat_timer_lateness_seconds_bucket"


def _hourly(metric: str, *labels: str) -> tuple[Query, ...]:
    by = ", ".join(labels)
    return (Query(f"sum by ({by}) (increase({metric}{{JOB}}[1h]))", " ".join(f"{{{{{label}}}}}" for label in labels)),)


def _share(metric: str, span: str) -> str:
    return f"sum by (type) (increase({metric}{{JOB}}[{span}])) / sum by (type) (increase({_SENT}{{JOB}}[{span}]))"


def _quantile(share: float, span: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({_LATE}{{JOB}}[{span}])))"


def _windows(level: str) -> tuple[Query, ...]:
    metric = f'job_rule_rhythm_level:offbeat_window_coverage:ratio28d{{level="{level}",JOB}}'
    return (Query(f"sum by (rule, rhythm) ({metric})", "{{rule}} {{rhythm}}"),)


_GLANCE = Row(
    "At a glance",
    (
        Figure("Sent", "In the time shown.", "short", f"sum(increase({_SENT}{{JOB}}[$__range]))"),
        Figure("Held back", "By guards, in the time shown.", "short", f"sum(increase({_HELD}{{JOB}}[$__range]))"),
        Figure("Contradicted", "An order came after all, or the customer was erased.", "short",
               f"sum(increase({_BACK}{{JOB}}[$__range]))"),
        Figure("Contradicted, of those sent", "In the time shown.", "percentunit",
               f"sum(increase({_BACK}{{JOB}}[$__range])) / sum(increase({_SENT}{{JOB}}[$__range]))"),
        Figure("Late", "Nine in ten are decided sooner after they were due.", "s",
               _quantile(0.9, "$__range"), 60, 600),
        Figure("Customers", "Remembered.", "short", "sum(offbeat_customers{JOB})"),
    ),
)  # fmt: skip
_TYPES = Row(
    "By type",
    (
        Curves("Sent", "In an hour.", "short", _hourly(_SENT, "type"), stacked=True),
        Curves("Held back", "In an hour, by guard. They are in triggers.suppressed.", "short",
               _hourly(_HELD, "type", "guard"), stacked=True),
        Curves("Contradicted", "In an hour: a cancellation followed.", "short", _hourly(_BACK, "type"), stacked=True),
        Curves("Contradicted, of those sent", "In a day. An order answers many: that is what they are for; "
               "a share that grows tells that a rule speaks too early.", "percentunit",
               (Query(_share(_BACK, "1d"), "{{type}}"),)),
        Curves("Held back, to those sent", "In a day.", "percentunit", (Query(_share(_HELD, "1d"), "{{type}}"),)),
        Curves("Lateness", "From a timer's due time to its decision.", "s",
               tuple(Query(_quantile(share, "$__rate_interval"), f"{share:.0%}") for share in (0.5, 0.9, 0.99))),
    ),
)  # fmt: skip
_RIGHT = Row(
    "Are they right?",
    (
        Curves("Gaps within windows", "Of 28 days: the share of gaps between orders that the 50, 80 and 90 % windows "
               "held. Fewer: customers have slowed down, and reminders come too early.", "percentunit",
               (Query("sum by (level) (job_level:offbeat_window_coverage:ratio28d{JOB})", "{{level}}"),)),
        Curves("Orders, to those expected", "Of 28 days, by the part of the customer's window; 1: as foretold.",
               "short", (Query("sum by (part) (job_part:offbeat_window_gaps:ratio28d{JOB})", "up to {{part}}"),)),
        Curves("Not contradicted while of use", "Of those sent in 28 days, by rule and the version of its settings.",
               "percentunit",
               (Query("sum by (rule, version) (job_rule_version:offbeat_rule_precision:ratio28d{JOB})",
                      "{{rule}} {{version}}"),)),
        Curves("50 % windows, by rule", "Of 28 days: the share of gaps within, by the rule whose window it is and "
               "the rhythm that it is made from. A refit begins curves of its own.", "percentunit", _windows("0.5")),
        Curves("80 % windows, by rule", "The same. Fewer: the rule speaks too early; more: too late.", "percentunit",
               _windows("0.8")),
        Curves("Gaps expected, by rule", "In 28 days, of the customers looked at: what the shares beside rest on. "
               "With fewer than 300 there is no alert.", "short",
               (Query("sum by (rule, rhythm) (job_rule_rhythm:offbeat_window_gaps_expected:increase28d{JOB})",
                      "{{rule}} {{rhythm}}"),)),
    ),
)  # fmt: skip
_DOUBT = Row(
    "What they rest on",
    (
        Curves("Events", "In an hour, by type: absence is concluded from what is there.", "short",
               _hourly("offbeat_events_total", "type"), stacked=True),
        Curves("Behind in event time", "Decisions wait for what is not taken yet.", "s",
               (Query("max(offbeat_lag_seconds{JOB})", "furthest"),)),
        Curves("Bounds reached", "In an hour: carts and messages cut, customers who are robots.", "short",
               _hourly("offbeat_bounds_reached_total", "bound")),
    ),
)  # fmt: skip


def triggers() -> Dashboard:
    return board(
        "offbeat-triggers",
        "Offbeat: triggers",
        "What was sent, what was held back, and what customers contradicted.",
        (_GLANCE, _TYPES, _RIGHT, _DOUBT),
        since="now-24h",
    )
