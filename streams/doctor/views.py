"""Redis, where views are kept."""

from streams.doctor.check import Finding, well, wrong
from streams.doctor.patient import Patient
from streams.views.store import ViewStore
from streams.views.trouble import ADVICE, ViewError


def redis(patient: Patient) -> Finding:
    """It takes a key and forgets it."""
    if not patient.settings.redis:
        return well("off: no URL is set")
    store = ViewStore(patient.settings)
    try:
        what = store.try_out()
    except ViewError as error:
        return wrong(str(error), ADVICE[error.reason])
    finally:
        store.close()
    return well(f"takes views: {what}")
