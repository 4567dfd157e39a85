"""The brokers' transactions, and their clocks."""

from streams.brokers.stuck import stuck_transactions
from streams.brokers.transactions import clock as ask_clock
from streams.doctor.check import Finding, well, wrong
from streams.doctor.patient import Patient


def transactions(patient: Patient) -> Finding:
    what = patient.no_transactions
    if what is None:
        return well("supported: a producer id was given")
    if patient.settings.delivery == "at_least_once":
        return well(f"not supported ({what}), and not needed with at_least_once")
    advice = "set OFFBEAT_DELIVERY=at_least_once, or use brokers with transactions (Apache Kafka)"
    return wrong(f"not supported: {what}", advice)


def open_transactions(patient: Patient) -> Finding:
    """What readers of committed records do not get to see."""
    settings = patient.settings
    if settings.delivery == "at_least_once":
        return well("not looked for: there are none with at_least_once")
    found = stuck_transactions(settings)
    if not found:
        return well("none is older than 15 minutes")
    places = ", ".join(f"{topic}[{partition}] at offset {offset}" for topic, partition, offset in found)
    topic, partition, offset = found[0]
    return wrong(
        f"older than 15 minutes: {places}; nothing that follows is read",
        f"stop whoever writes there; or run: kafka-transactions.sh --bootstrap-server {settings.brokers} abort "
        f"--topic {topic} --partition {partition} --start-offset {offset}",
    )


def clock(patient: Patient) -> Finding:
    """Fires early or late by as much as the clock is wrong; Kafka refuses records of more than an hour ahead."""
    off, why = ask_clock(patient.settings)
    if off is None:
        return well(f"not compared with the brokers': {why}")
    if abs(off) <= 60:
        return well(f"differs from the broker's by less than {max(1, round(abs(off)))} s ({why})")
    side = "ahead of" if off > 0 else "behind"
    return wrong(f"{abs(off):.0f} s {side} the broker's", "let NTP set the clocks of both machines")
