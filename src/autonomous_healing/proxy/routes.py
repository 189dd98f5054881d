"""From a path on the proxy to an endpoint and its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from autonomous_healing.endpoint_healing.endpoints import Endpoint

#: First segments below /api that no source may take.
RESERVED = frozenset({"health", "healing"})

#: Characters no path segment may hold after decoding.
_FORBIDDEN = frozenset("/\\?#") | {chr(code) for code in range(32)} | {"\x7f"}


class BadRequest(ValueError):
    """A request that cannot be understood; the message says where and what would do."""


class NoRoute(LookupError):
    """No endpoint answers this path; carries those that are known."""

    def __init__(self, path: str, known: Sequence[str]) -> None:
        super().__init__(f"no route {path}")
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class Match:
    """What a path asks for."""

    endpoint: Endpoint
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Route:
    template: str
    parts: tuple[str, ...]
    endpoint: Endpoint

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for part, segment in zip(self.parts, segments, strict=True):
            if part.startswith("{"):
                found[part[1:-1]] = segment
            elif part != segment:
                return None
        return found


class RouteTable:
    """All paths below /api, by source segment or source id."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._routes: dict[tuple[str, int], list[_Route]] = {}
        self._known: dict[str, list[str]] = {}
        for endpoint in endpoints:
            for template in endpoint.routes:
                self._add(template, endpoint)

    def _add(self, template: str, endpoint: Endpoint) -> None:
        parts = tuple(template.strip("/").split("/"))
        route = _Route(template, parts, endpoint)
        for name in (endpoint.source.segment, endpoint.source.id):
            self._routes.setdefault((name, len(parts)), []).append(route)
        segment = endpoint.source.segment
        self._known.setdefault(segment, []).append(f"/api/{segment}{template}")

    def add_known(self, segment: str, path: str) -> None:
        """A path that is answered elsewhere but belongs to the list of known ones."""
        self._known.setdefault(segment, []).append(path)

    def match(self, raw_path: str, query: Sequence[tuple[str, str]]) -> Match:
        """`raw_path` as it came, still percent-encoded. Raises `BadRequest` and `NoRoute`."""
        if not raw_path.startswith("/api/"):
            raise NoRoute(raw_path, self._all())
        source, *segments = split(raw_path)
        for route in self._routes.get((source, len(segments)), ()):
            found = route.match(segments)
            if found is not None:
                return Match(route.endpoint, self._params(route.endpoint, found, query))
        raise NoRoute(raw_path, self._known.get(source) or self._all())

    def _all(self) -> list[str]:
        return [path for paths in self._known.values() for path in paths]

    def _params(
        self, endpoint: Endpoint, found: dict[str, str], query: Sequence[tuple[str, str]]
    ) -> dict[str, str]:
        params = endpoint.asked({**single_values(query), **found})
        if missing := sorted(name for name in endpoint.path_params if not params.get(name)):
            raise BadRequest(f"{endpoint.name} of {endpoint.source} needs the parameter {missing[0]!r}")
        for name in sorted(endpoint.path_params):
            check_segment(params[name], f"{params[name]!r} of {name!r}")
        return params


def split(raw_path: str) -> list[str]:
    """The decoded segments below /api. Raises `BadRequest` where decoding would change the path's form."""
    segments = [unquote(part, errors="replace") for part in raw_path.removeprefix("/api/").split("/")]
    for segment in segments:
        check_segment(segment, f"path segment {segment!r}")
    return segments


def check_segment(segment: str, what: str) -> None:
    """Refuse what would mean something else as part of a path; raises `BadRequest`."""
    if segment in ("", ".", "..") or not _FORBIDDEN.isdisjoint(segment) or "\ufffd" in segment:
        raise BadRequest(f"{what} is empty, relative or holds a forbidden character")


def single_values(query: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Each parameter once. Raises `BadRequest`."""
    values: dict[str, str] = {}
    for name, value in query:
        if name in values:
            raise BadRequest(f"the parameter {name!r} is given twice")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in name + value):
            raise BadRequest(f"the parameter {name!r} holds a control character")
        values[name] = value
    return values
