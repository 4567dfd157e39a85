"""For whoever keeps it running: what flows, how far behind it is, what it costs, what goes wrong."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.panels import Curves, Figure, Query, Row, board

_GLANCE = Row(
    "At a glance",
    (
        Figure("Alerts firing", "Of Offbeat's; see the runbook.", "none",
               'count(ALERTS{alertname=~"Offbeat.*", alertstate="firing"}) or vector(0)', alarm=1),
        Figure("Workers ready", "Whose partitions are all live.", "none", "sum(offbeat_ready{JOB})"),
        Figure("Partitions without a worker", "Their customers hear nothing.", "none",
               "max(offbeat_partitions{JOB}) - (sum(offbeat_partition_live{JOB}) or vector(0))", alarm=1),
        Figure("Furthest behind", "In event time.", "s", "max(offbeat_lag_seconds{JOB})", 60, 300),
        Figure("Events", "Taken a second.", "ops", "sum(rate(offbeat_events_total{JOB}[$__rate_interval]))"),
        Figure("Batches failed", "In the last hour; begun anew, nothing is lost.", "none",
               "sum(increase(offbeat_batches_failed_total{JOB}[1h]))", 1, 5),
    ),
)  # fmt: skip
_THROUGHPUT = Row(
    "Throughput",
    (
        Curves("Events taken", "By type.", "ops",
               (Query("sum by (type) (rate(offbeat_events_total{JOB}[$__rate_interval]))", "{{type}}"),), stacked=True),
        Curves("Events that changed nothing", "Sent twice, repeated after a crash, or nothing to apply it to.",
               "ops",
               (Query("sum by (why) (rate(offbeat_events_unchanged_total{JOB}[$__rate_interval]))", "{{why}}"),)),
        Curves("Dead letters", "By reason; any is a producer to mend.", "ops",
               (Query("sum by (reason) (rate(offbeat_dead_letters_total{JOB}[$__rate_interval]))", "{{reason}}"),)),
    ),
)  # fmt: skip
_LAG = Row(
    "Lag",
    (
        Curves("Behind in event time", "A quiet partition is at 0.", "s",
               (Query("max by (partition) (offbeat_lag_seconds{JOB})", "{{partition}}"),)),
        Curves("Not taken yet", "By topic.", "short",
               (Query("sum by (topic) (offbeat_lag_records{JOB})", "{{topic}}"),)),
        Curves("Until caught up", "Nothing where it does not catch up.", "s",
               (Query("max by (partition) (offbeat_catch_up_seconds{JOB})", "{{partition}}"),)),
        Curves("Waiting for another source", "Fetched, and held back until what comes before it is there.",
               "short", (Query("sum by (partition) (offbeat_waiting_records{JOB})", "{{partition}}"),)),
        Curves("Waiting, in memory", "The same in bytes.", "bytes",
               (Query("sum by (partition) (offbeat_waiting_bytes{JOB})", "{{partition}}"),)),
        Curves("Until deleted unread", "By the topic's retention; flat where nothing lags.", "s",
               (Query("min by (topic) (offbeat_retention_left_seconds{JOB})", "{{topic}}"),)),
    ),
)  # fmt: skip


def _quantiles(metric: str) -> tuple[Query, ...]:
    rates = f"sum by (le) (rate({metric}_bucket{{JOB}}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({share}, {rates})", f"{share:.0%}") for share in (0.5, 0.9, 0.99))


_BATCHES = Row(
    "Batches",
    (
        Curves("Batch", "From its start to its being durable.", "s", _quantiles("offbeat_batch_seconds")),
        Curves("Commit", "The brokers' part of it: with exactly_once, the transaction.", "s",
               _quantiles("offbeat_commit_seconds")),
        Curves("Transactions", "Batches that became durable, and that failed and were begun anew.", "ops",
               (Query("sum(rate(offbeat_batch_seconds_count{JOB}[$__rate_interval]))", "durable"),
                Query("sum(rate(offbeat_batches_failed_total{JOB}[$__rate_interval]))", "failed"))),
    ),
)  # fmt: skip
_PARTITIONS = Row(
    "Partitions and recovery",
    (
        Curves("Live partitions", "By worker.", "none",
               (Query("sum by (instance) (offbeat_partition_live{JOB})", "{{instance}}"),), stacked=True),
        Curves("Since the last sign of life", "Beyond 10 s a partition is frozen.", "s",
               (Query("max by (partition) (offbeat_partition_still_seconds{JOB})", "{{partition}}"),)),
        Curves("Event loop", "Since it turned.", "s",
               (Query("max by (instance) (offbeat_loop_still_seconds{JOB})", "{{instance}}"),)),
        Curves("Taken over", "Partitions, after a start or a rebalance.", "short",
               (Query("sum(increase(offbeat_takeovers_total{JOB}[$__rate_interval]))", "partitions"),)),
        Curves("Read back", "Records of the changelog.", "ops",
               (Query("sum(rate(offbeat_recovered_records_total{JOB}[$__rate_interval]))", "records"),)),
        Curves("Until restored", "0 where it is.", "s",
               (Query("max by (partition) (offbeat_recovery_left_seconds{JOB})", "{{partition}}"),)),
    ),
)  # fmt: skip
_PARAMETERS = Row(
    "Parameters",
    (
        Curves("Versions in force", "Workers of each; a moment after a refit there is one.", "none",
               (Query("count by (version) (offbeat_parameters_info{JOB})", "{{version}}"),), stacked=True),
        Curves("Refits", "By what became of them.", "short",
               (Query("sum by (outcome) (increase(offbeat_refits_total{JOB}[$__rate_interval]))", "{{outcome}}"),)),
        Curves("Windows on customers held back", "Shares of gaps inside windows of 50, 80 and 90 %, last refit.",
               "percentunit",
               (Query("max by (of, window) (offbeat_refit_coverage{JOB})", "{{window}} {{of}}"),)),
    ),
)  # fmt: skip
_PROCESS = Row(
    "Processes",
    (
        Curves("Memory", "Resident.", "bytes", (Query("process_resident_memory_bytes{JOB}", "{{instance}}"),)),
        Curves("CPU", "Cores.", "none",
               (Query("rate(process_cpu_seconds_total{JOB}[$__rate_interval])", "{{instance}}"),)),
        Curves("Customers remembered", "What memory and recovery grow with.", "short",
               (Query("sum by (instance) (offbeat_customers{JOB})", "{{instance}}"),), stacked=True),
        Curves("Versions", "Workers of each.", "none",
               (Query("count by (version, delivery) (offbeat_info{JOB})", "{{version}} {{delivery}}"),)),
    ),
)  # fmt: skip


def operations() -> Dashboard:
    return board(
        "offbeat-operations",
        "Offbeat: operations",
        "What flows, how far behind it is, what goes wrong.",
        (_GLANCE, _THROUGHPUT, _LAG, _BATCHES, _PARTITIONS, _PARAMETERS, _PROCESS),
    )
