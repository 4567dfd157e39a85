"""Puts the worker together: a Faust app with its transport, table and agent."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import faust

from agents.binding import bind
from agents.core import Core
from agents.rulebook.rules import Rules
from streams.brokers.retention import retentions
from streams.brokers.topicfacts import Found
from streams.clock import Clock
from streams.delivery.changelog import read_changelog
from streams.delivery.holdings import Holdings
from streams.delivery.partition import Partition
from streams.delivery.ports import Fatal, Learning, Means, Views
from streams.delivery.writer import make_writer
from streams.flow.flood import FloodGuard
from streams.group.assignor import WholeAssignor
from streams.group.recovery import CustomersTable, TableManager
from streams.group.transport import URL_SCHEME
from streams.settings import Settings
from streams.watch.metrics import Metrics
from streams.watch.status import Status
from tables.events import SOURCES

POLL_RECORDS = 4_000
"""Records of one fetch, over all partitions."""


def build_app(
    settings: Settings,
    rules: Rules,
    *,
    topics: Mapping[str, Found],
    metrics: Metrics,
    status: Status,
    clock: Clock,
    fatal: Fatal,
    on_live: Callable[[set[int]], None],
    views: Views,
    learning: Learning,
) -> faust.App:
    """The app, ready to start.

    `topics`: all of ours, by name. `fatal(code, message)` ends the process. `on_live` hears which partition
    numbers have been taken over, `views` what is durable; `learning` knows by which parameters to go.
    """
    count = topics[settings.sources[0]].partitions
    partitions = {name: found.partitions for name, found in topics.items()}
    retention = retentions({name: topics[name] for name in settings.sources})
    metrics.knows(count, retention)
    metrics.calibration.rules_are(rules.versions)
    metrics.calibration.windows_are_of(learning.parameters.rhythm)
    named = {source: topics[settings.topic(source)].id for source in SOURCES}
    app = faust.App(
        settings.group_id,
        broker=[f"{URL_SCHEME}://{address}" for address in settings.broker_list],
        TableManager=TableManager,
        PartitionAssignor=WholeAssignor,
        datadir=settings.state_dir,
        topic_partitions=count,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=POLL_RECORDS,
        broker_commit_livelock_soft_timeout=1e9,
        stream_processing_timeout=1e9,
        stream_wait_empty=False,  # Faust holds nothing that would have to be waited for: the table drains itself
        web_enabled=False,
        autodiscover=False,
    )
    app.offbeat_settings, app.offbeat_partitions, app.offbeat_fatal = settings, count, fatal
    flood = FloodGuard(settings.dead_letter_share)
    manager = app.tables
    manager.sources = set(settings.sources)
    manager.on_taken_over = on_live

    @cache  # when the first partition number is taken over: until then there is no consumer
    def means() -> Means:
        thread = app.consumer.thread
        return Means(
            settings=settings,
            intake=thread,
            new_writer=lambda number: make_writer(settings, number, partitions, thread.check_awake),
            read_changelog=partial(read_changelog, settings),
            new_core=lambda: Core(
                rules, learning.parameters, track_offsets=settings.delivery == "at_least_once", calibrate=True
            ),
            flood=flood,
            clock=clock,
            metrics=metrics,
            status=status,
            topic_ids={source: id_ for source, id_ in named.items() if id_},
            retention=retention,
            views=views,
            learning=learning,
        )

    manager.holdings = Holdings(lambda number: Partition(number, means()), fatal)
    changelog: Any = app.topic(
        settings.changelog,
        partitions=count,
        key_serializer="raw",
        value_serializer="raw",
        compacting=True,
        internal=True,
    )
    table = CustomersTable(
        app,
        name="customers",
        partitions=count,
        changelog_topic=changelog,
        holdings=manager.holdings,
    )
    app.tables.add(table)
    bind(app, settings.sources, table, concurrency=count)
    return app
