"""What a running worker says of itself on its metrics port. Limits are those of the alerts (deploy/prometheus)."""

import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from streams.doctor.check import Check, Finding, well, wrong

_ANSWER_SECONDS = 5.0
_PATIENCE = 300
"""Seconds that a worker may take to become ready."""


class NoWorkerError(Exception):
    """What is at that address does not answer as a worker; why."""


class Worker:
    """Its answers, asked once. Raises NoWorkerError."""

    def __init__(self, address: str) -> None:
        self.address = address
        try:
            self.health: dict[str, Any] = json.loads(_get(address, "/health"))
            text = _get(address, "/metrics")
            families = list(text_string_to_metric_families(text))
            self.phase, self.partitions = str(self.health["phase"]), dict(self.health["partitions"])
            self._samples = [(s.name, s.labels, s.value) for family in families for s in family.samples]
        except (OSError, HTTPException) as error:
            raise NoWorkerError(str(getattr(error, "reason", None) or error)) from None
        except (ValueError, KeyError, TypeError):
            raise NoWorkerError("what answers there is no worker") from None
        if not self.version:
            raise NoWorkerError("what answers there is no worker")

    @property
    def version(self) -> str:
        return next((labels["version"] for name, labels, _ in self._samples if name == "offbeat_info"), "")

    @property
    def parameters(self) -> str:
        """The version of the population parameters that it goes by; empty as long as that is not known."""
        return str(self.health.get("parameters") or "")

    @property
    def up_seconds(self) -> float:
        began = self.sum("process_start_time_seconds")
        return time.time() - began if began else math.inf

    def by_partition(self, name: str) -> dict[str, float]:
        """A gauge that each partition number has; those that are not known yet are left out."""
        found = ((labels.get("partition", ""), value) for n, labels, value in self._samples if n == name)
        return {partition: value for partition, value in found if not math.isnan(value)}

    def sum(self, metric: str, **labels: str) -> float:
        wanted = labels.items()
        values = (v for name, has, v in self._samples if name == metric and wanted <= has.items())
        return sum(value for value in values if not math.isnan(value))


def _get(address: str, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=_ANSWER_SECONDS) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()  # 503 brings what is wrong
    return body.decode()


def state(worker: Worker) -> Finding:
    """Alive, and ready, or on its way there."""
    still = float(worker.health["seconds_since_loop_turned"])
    if still > 10:
        return wrong(
            f"its event loop has not turned for {still:.0f} s",
            "look at the load, the memory and the CPU limit of its machine; kill it if it stays so: nothing is lost",
        )
    phases = {number: told["phase"] for number, told in worker.partitions.items()}
    if frozen := [number for number, phase in phases.items() if phase == "frozen"]:
        return wrong(
            f"partitions {', '.join(frozen)} stand still",
            "look at the brokers' logs and at `replicas` and `open transactions` here; else start it again",
        )
    if worker.health["ready"]:
        return well(f"version {worker.version}, ready, {len(phases)} partitions")
    restoring = [number for number, phase in phases.items() if phase == "restoring"]
    what = f"not ready: {worker.phase}" + (f", reading back partitions {', '.join(restoring)}" * bool(restoring))
    if worker.up_seconds > _PATIENCE:
        return wrong(f"{what}, {worker.up_seconds / 60:.0f} minutes after its start", "see its log and the brokers'")
    return well(what, "look again in a moment")


def batches(worker: Worker) -> Finding:
    failed = worker.sum("offbeat_batches_failed_total")
    if failed * 900 / max(900.0, worker.up_seconds) > 5:
        return wrong(f"{failed:.0f} failed since it began", "its log names the error; look at the brokers' health")
    return well(f"{failed:.0f} failed since it began")


def lag(worker: Worker) -> Finding:
    behind, left = worker.by_partition("offbeat_lag_seconds"), worker.by_partition("offbeat_catch_up_seconds")
    late = [number for number, seconds in behind.items() if seconds > 300 and left.get(number, 0) > 600]
    if late:
        return wrong(
            f"partitions {', '.join(late)} do not catch up: {max(behind[n] for n in late) / 60:.0f} minutes behind",
            'start another worker, up to the number of partitions; beyond that "More partitions" in OPERATING.md',
        )
    return well("no partition is minutes behind for long")


def feeds(worker: Worker) -> Finding:
    waiting, behind = worker.by_partition("offbeat_waiting_records"), worker.by_partition("offbeat_lag_seconds")
    held = [number for number, records in waiting.items() if records > 0 and behind.get(number, 0) > 60]
    if held:
        return wrong(
            f"events of partitions {', '.join(held)} wait for another source that lags or does not answer",
            "see to the topic that lags (offbeat_lag_records by topic); with clock event, to the one without time.mark",
        )
    return well("no event waits for another source for long")


def timers(worker: Worker) -> Finding:
    count = worker.sum("offbeat_timer_lateness_seconds_count")
    late = count - worker.sum("offbeat_timer_lateness_seconds_bucket", le="60.0")
    if late > 0.1 * count:
        return wrong(
            f"{late:.0f} of {count:.0f} triggers were decided more than a minute late since it began",
            "it was away or busy, its clock was wrong, or a source lags: see the other checks",
        )
    return well(f"{count - late:.0f} of {count:.0f} triggers were decided within a minute")


def customers(worker: Worker) -> Finding:
    busy = worker.sum("offbeat_bounds_reached_total", bound="customer")
    if busy:
        return well(
            "somebody has sent more than 10,000 events within an hour",
            "the log has a pseudonym and the partition: stop it at its source",
        )
    return well("nobody sends more than a person does")


def stale(worker: Worker) -> Finding:
    held = worker.sum("offbeat_triggers_suppressed_total", guard="stale")
    sent = worker.sum("offbeat_triggers_total")
    found = f"{held:.0f} held back since it began, {sent:.0f} sent"
    return well(found, "raise max_age if you want them" if held > max(100, sent) else "")


def views(worker: Worker) -> Finding:
    behind = worker.sum("offbeat_views_behind_seconds")
    if behind > 300:
        return wrong(f"what Redis shows is {behind / 60:.0f} minutes old", "see the check of redis")
    return well("shown, or not asked for")


def refits(worker: Worker) -> Finding:
    failing = worker.sum("offbeat_refit_failing_rounds")
    if failing >= 3:
        return wrong(
            f"parameters could not be fitted anew {failing:.0f} times in a row",
            "`offbeat parameters list` says why in its last line; most often it lacks memory",
        )
    return well(f"parameters {worker.parameters}" if worker.parameters else "parameters are not known yet")


LOOKS: dict[str, Callable[[Worker], Finding]] = {
    "": state,
    ": batches": batches,
    ": lag": lag,
    ": feeds": feeds,
    ": timers": timers,
    ": customers": customers,
    ": stale triggers": stale,
    ": views": views,
    ": refits": refits,
}
"""By what is added to the name of a worker's check."""


def workers(addresses: Sequence[str]) -> Iterator[Check]:
    """Of each worker; whoever is named must answer."""
    found: list[Worker] = []
    for address in addresses:
        try:
            worker = Worker(address)
        except NoWorkerError as error:
            yield Check(
                f"worker {address}",
                False,
                f"does not answer: {error}",
                "read the last line of its log; its port is bound to 127.0.0.1 unless OFFBEAT_METRICS says otherwise",
            )
            continue
        found.append(worker)
        for name, look in LOOKS.items():
            yield Check(f"worker {address}{name}", *look(worker))
    if len(found) > 1:
        yield Check("versions", *_alike("run", {one.version for one in found}, "finish the upgrade"))
        same = "if it stays so, see their logs; give all of them the same settings"
        yield Check("parameters", *_alike("go by", {one.parameters or "none yet" for one in found}, same))


def _alike(do: str, versions: set[str], mend: str) -> Finding:
    """What all workers do alike, or should."""
    named = " and ".join(sorted(versions))
    return well(f"all {do} {named}") if len(versions) == 1 else well(f"workers {do} {named}", mend)
