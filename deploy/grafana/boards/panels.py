"""How our dashboards look: rows of figures and of curves over Prometheus' series, for the job that was chosen."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_CURVES_WIDE, _FIGURES_WIDE, _HIGH, _LOW = 8, 4, 8, 4


@dataclass(frozen=True)
class Query:
    """PromQL, in which JOB stands for the choice of the job; and what a series is called, with `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Curves:
    """Series over time. `unit` as Grafana has it, `about`: what to see in it."""

    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    stacked: bool = False


@dataclass(frozen=True)
class Figure:
    """One number. From `warn` on it is yellow, from `alarm` on red; from nothing on green."""

    title: str
    about: str
    unit: str
    expr: str
    warn: float | None = None
    alarm: float | None = None


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Curves | Figure, ...]


def board(uid: str, title: str, about: str, rows: Iterable[Row], *, since: str = "now-1h") -> dashboard.Dashboard:
    """A dashboard with a choice of data source and of job."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["offbeat"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time(since, "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("job")
            .label("Job")
            .query("label_values(offbeat_info, job)")
            .datasource(SOURCE)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        )
        .link(
            dashboard.DashboardLink("Offbeat")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["offbeat"])
            .keep_time(True)
            .include_vars(True)
        )
    )
    ids = count(1)
    for row in rows:
        made.with_row(dashboard.Row(row.title).id(next(ids)))
        for panel in row.panels:
            drawn = _curves(panel) if isinstance(panel, Curves) else _figure(panel)
            made.with_panel(drawn.id(next(ids)))
    return made


def _target(query: Query, name: str) -> prometheus.Dataquery:
    expr = query.expr.replace("JOB", 'job="$job"')
    return prometheus.Dataquery().ref_id(name).expr(expr).legend_format(query.legend).datasource(SOURCE)


def _curves(panel: Curves) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.about)
        .datasource(SOURCE)
        .unit(panel.unit)
        .min(0)
        .span(_CURVES_WIDE)
        .height(_HIGH)
        .fill_opacity(20 if panel.stacked else 5)
        .show_points(looks.VisibilityMode.NEVER)
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    for name, query in zip("ABCDEF", panel.queries, strict=False):
        made.with_target(_target(query, name))
    return made


def _figure(panel: Figure) -> stat.Panel:
    steps = [Threshold(value=None, color="green")]
    steps += [Threshold(value=at, color=color) for at, color in ((panel.warn, "yellow"), (panel.alarm, "red")) if at]
    return (
        stat.Panel()
        .title(panel.title)
        .description(panel.about)
        .datasource(SOURCE)
        .unit(panel.unit)
        .span(_FIGURES_WIDE)
        .height(_LOW)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(Query(panel.expr), "A").instant())
    )
