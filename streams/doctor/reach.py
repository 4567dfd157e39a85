"""Whether the brokers can be reached, and let us in."""

from collections.abc import Iterator

from streams.brokers.topics import BrokerError, admin, members, unreachable
from streams.doctor.check import Check, Finding, split, well, wrong
from streams.doctor.patient import Patient
from streams.settings import Settings, SettingsError


def brokers(settings: Settings) -> Iterator[Check]:
    """Each broker of the setting by itself: clients go on with one of them, and nobody misses the others."""
    for address in settings.broker_list:
        try:
            with admin(settings, [address]) as client:
                found = well(f"answers; {len(members(client))} in its cluster")
        except (BrokerError, SettingsError) as error:
            found = split(str(error))
        yield Check(f"broker {address}", *found)


def advertised(patient: Patient) -> Finding:
    """The addresses that the brokers tell clients to use: often not reachable from where the worker runs."""
    with admin(patient.settings) as client:
        told = members(client)
    context = patient.settings.security.ssl_context()
    causes = {f"{host}:{port}": unreachable(host, port, context) for host, port in told}
    if gone := [f"{place} ({why})" for place, why in causes.items() if why is not None]:
        what = f"the cluster names {', '.join(gone)}, which cannot be reached from here"
        return wrong(what, "mend advertised.listeners of the brokers, or the network")
    return well(f"{', '.join(causes)} can be reached")
