"""What is wrong with the quotas of the sources, and with who may use how much of them."""

from collections.abc import Iterator

from autonomous_healing.endpoint_healing.catalog import endpoint_names
from autonomous_healing.endpoint_healing.quotas.options import DATED, QuotaWindowSettings
from autonomous_healing.settings.faults import Fault, unknown
from autonomous_healing.settings.model import Settings


def quota_faults(settings: Settings) -> Iterator[Fault]:
    """Those of each source, then those of the shares."""
    known = endpoint_names()
    for source, one in settings.sources.items():
        lengths: set[float] = set()
        for n, window in enumerate(one.quota):
            path = f"sources.{source}.quota.{n}"
            if window.seconds in lengths:
                yield Fault(f"{path}.window", f"{window.name} is there twice")
            lengths.add(window.seconds)
            yield from _reset(path, window)
            for endpoint in window.weight:
                if source in known and endpoint not in known[source]:
                    yield Fault(f"{path}.weight.{endpoint}", unknown("endpoint", endpoint, known[source]))
    shares = settings.healing.quota
    if not shares.probes <= shares.background <= shares.batch <= shares.first:
        yield Fault("healing.quota", "probes, background, batch and first must not fall")


def _reset(path: str, window: QuotaWindowSettings) -> Iterator[Fault]:
    fields = type(window).model_fields
    if window.kind != "fixed" or window.window not in DATED:
        for name in ("reset", "zone"):
            if getattr(window, name) != fields[name].default:
                yield Fault(f"{path}.{name}", "has an effect on a fixed day or month only")
    elif window.window == "day" and " " in window.reset:
        yield Fault(f"{path}.reset", "a day of the month has an effect on a fixed month only")
