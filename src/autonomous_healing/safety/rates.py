"""How often one address may ask. Keeps a bounded number of addresses, and no clock."""

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network

from autonomous_healing.safety.hosts import address_in

#: Addresses that are remembered; then the one that has been quiet for longest is forgotten.
_MOST_ADDRESSES = 10_000


class RequestRate:
    """So many a minute from each address, in bursts as large as that, and evenly after it."""

    def __init__(self, per_minute: int) -> None:
        self._gap = 60.0 / per_minute  #: seconds between two that come evenly
        self._burst = 60.0 - self._gap
        self._paid_until: OrderedDict[str, float] = OrderedDict()

    def take(self, address: str, now: float) -> float:
        """0.0 where it may ask at monotonic `now`, and this one counts; else seconds until it may."""
        whose = _whose(address)
        paid_until = max(self._paid_until.get(whose, now), now)
        ahead = paid_until - now
        if ahead > self._burst + 1e-9:
            return ahead - self._burst
        self._paid_until[whose] = paid_until + self._gap
        self._paid_until.move_to_end(whose)
        if len(self._paid_until) > _MOST_ADDRESSES:
            self._paid_until.popitem(last=False)
        return 0.0


def _whose(address: str) -> str:
    """An IPv6 address stands for its network: who has one of it has them all (RFC 6177)."""
    known = address_in(address)
    if not isinstance(known, IPv6Address):
        return address if known is None else str(known)
    return str(IPv6Network((int(known), 64), strict=False))
