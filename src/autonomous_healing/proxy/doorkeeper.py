"""Who is not let in at the proxy's ports: names that are not ours, and pages of others."""

from autonomous_healing import wire
from autonomous_healing.proxy.provenance import Reply, refusal
from autonomous_healing.safety.hosts import OwnHosts, is_foreign

#: Forms of our own names that are remembered; there are more ports than anybody uses.
_MOST_KNOWN = 1024

_ORIGIN, _SITE = b"origin", b"sec-fetch-site"
_SAID_BY_BROWSERS = frozenset({_ORIGIN, _SITE})


class Doorkeeper:
    """Looks at heads. A browser that was led here under another name reads nothing, and spends no quota."""

    def __init__(self, hosts: OwnHosts) -> None:
        self._hosts = hosts
        self._known = {b""}  #: HTTP/1.0 needs no `Host`, and no browser speaks it

    def refusal(self, request: wire.RequestHead) -> Reply | None:
        """What it is told who is not let in, or None."""
        if request.host not in self._known:
            if not self._hosts.answer_for(request.host.decode("latin-1")):
                return refusal(
                    421, "Misdirected request", "this proxy does not answer for the host asked for"
                )
            if len(self._known) >= _MOST_KNOWN:
                self._known = {b""}
            self._known.add(request.host)
        said = [one for one in request.fields if one[0] in _SAID_BY_BROWSERS]
        if said and _is_foreign(request.host, said):
            return refusal(403, "Forbidden", "a page from another origin may not ask this proxy")
        return None


def _is_foreign(host: bytes, said: wire.Fields) -> bool:
    origins, sites = (
        [value.decode("latin-1") for known, value in said if known == name] for name in (_ORIGIN, _SITE)
    )
    return is_foreign(host.decode("latin-1"), origins, sites)
