"""What is wrong with the sources: their names, their hosts, and where they answer on the proxy."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path

from autonomous_healing.endpoint_healing.catalog import SOURCE_IDS, holds_key_in_path, mount_of, segment_of
from autonomous_healing.endpoint_healing.key_states import RESTING
from autonomous_healing.endpoint_healing.options import SourceSettings
from autonomous_healing.proxy.routes import RESERVED
from autonomous_healing.settings.faults import Fault, unknown
from autonomous_healing.settings.model import Settings
from autonomous_healing.wire.addresses import why_forbidden
from autonomous_healing.wire.errors import BadOrigin
from autonomous_healing.wire.origin import read_base_url

_ID = re.compile(r"[a-z][a-z0-9_]{0,40}")

#: What needs no escaping in a path: a mount is compared as it is written.
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")

#: The name of a field (RFC 9110, section 5.1), and those that are not for a key.
_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_FIELDS = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "content-type", "host", "keep-alive", "te",
    "trailer", "transfer-encoding", "upgrade", "user-agent",
})  # fmt: skip

#: Below /api, and whose it is: the known sources are called by two names each.
_SEGMENTS = {name: source for source in SOURCE_IDS for name in (source, segment_of(source))}


def source_faults(settings: Settings) -> Iterator[Fault]:
    """Those of each source by itself, then those of all together."""
    for source, one in settings.sources.items():
        path = f"sources.{source}"
        if one.kind == "raw":
            yield from _raw(path, source, one)
        else:
            yield from _known(path, source, one)
        yield from _hosts(path, one)
        if one.stale_if_error and one.cache == "off":
            yield Fault(f"{path}.stale_if_error", "has an effect with cache: shared only")
        if one.while_revalidate and one.kind == "raw" and one.cache == "off":
            yield Fault(f"{path}.while_revalidate", "has no effect on a raw source without cache: shared")
    yield from _mounts(settings.sources)
    yield from _ports(settings)


def _known(path: str, source: str, one: SourceSettings) -> Iterator[Fault]:
    if source not in SOURCE_IDS:
        yield Fault(path, unknown("source", source, SOURCE_IDS, "; any other needs kind: raw"))
    else:
        yield from _auth(f"{path}.auth", source, one)
    yield from _keys(path, one)
    if one.mount:
        yield Fault(f"{path}.mount", "has an effect for kind raw only")
    if one.port is not None:
        yield Fault(f"{path}.port", "has an effect for kind raw only")
    if one.cache != "off":
        yield Fault(f"{path}.cache", "has an effect for kind raw only: copies of data are kept anyway")


def _auth(path: str, source: str, one: SourceSettings) -> Iterator[Fault]:
    place, name = one.auth.place, one.auth.name
    if holds_key_in_path(source) != (place == "path"):
        holds = "holds" if holds_key_in_path(source) else "has no place for"
        yield Fault(f"{path}.in", f"{place!r} cannot be: the path of {source} {holds} the key")
    if place in ("query", "header") and not name:
        yield Fault(f"{path}.name", f"is missing: what the {place} calls the key")
    elif place in ("none", "path") and name:
        yield Fault(f"{path}.name", f"has no effect: in is {place!r}")
    elif place == "header" and (not _FIELD.fullmatch(name) or name.lower() in _NO_FIELDS):
        yield Fault(f"{path}.name", f"{name!r} cannot be the name of a header that carries a key")


def _keys(path: str, one: SourceSettings) -> Iterator[Fault]:
    if one.keys and one.auth.place == "none":
        yield Fault(f"{path}.keys", "have no effect: auth.in is 'none'")
    limits = [state for state in one.rotate_on if state in RESTING]
    if limits and not one.terms_allow_rotation:
        yield Fault(
            f"{path}.rotate_on",
            f"{limits[0]!r} goes round a limit, and terms_allow_rotation does not say that this is allowed",
        )


def _raw(path: str, source: str, one: SourceSettings) -> Iterator[Fault]:
    if source in SOURCE_IDS:
        yield Fault(f"{path}.kind", f"{source} is healed as data; a raw source needs an id of its own")
        return
    if not _ID.fullmatch(source):
        yield Fault(path, "an id has 1 to 41 small letters, digits and _, a letter first")
    elif source in RESERVED:
        yield Fault(path, "this id is reserved")
    elif owner := _SEGMENTS.get(segment_of(source)):
        yield Fault(path, f"{segment_of(source)!r} is how {owner} is called on the proxy")
    if len(one.hosts) != 1:
        yield Fault(f"{path}.hosts", f"a raw source has one host, not {len(one.hosts)}")
    if one.keys:
        yield Fault(f"{path}.keys", "a raw source has none: what callers send is passed on")
    if one.auth.place != "none" or one.auth.name:
        yield Fault(f"{path}.auth", "a raw source has no keys")
    if one.terms_allow_rotation:
        yield Fault(f"{path}.terms_allow_rotation", "a raw source has no keys")
    if one.quota:
        yield Fault(f"{path}.quota", "a raw source has none: nothing is known of its limits")


def _hosts(path: str, one: SourceSettings) -> Iterator[Fault]:
    encrypted = False
    for n, host in enumerate(one.hosts):
        try:
            origin, _ = read_base_url(host)
        except BadOrigin as bad:
            yield Fault(f"{path}.hosts.{n}", _without_secrets(str(bad), host))
            continue
        encrypted = encrypted or origin.scheme == "https"
        if why := _why_forbidden(origin.host, allow_private=one.allow_private):
            yield Fault(f"{path}.hosts.{n}", why)
    if one.ca_file and not Path(one.ca_file).is_file():
        yield Fault(f"{path}.ca_file", f"there is no file {one.ca_file!r}")
    elif one.ca_file and not encrypted:
        yield Fault(f"{path}.ca_file", "has no effect: no host is https")


def _without_secrets(said: str, host: str) -> str:
    """A password or a key may stand in an address that cannot be read."""
    return said.replace(repr(host), "this") if "@" in host or "?" in host else said


def _why_forbidden(host: str, *, allow_private: bool) -> str | None:
    """Of an address that is written out: where a name leads is seen when it is resolved."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    why = why_forbidden(host, allow_private=allow_private)
    if why is None:
        return None
    if why_forbidden(host, allow_private=True) is None:
        return f"{host} is forbidden ({why}); set allow_private: true if the source is meant to be there"
    return f"{host} is forbidden ({why})"


def _mounts(sources: Mapping[str, SourceSettings]) -> Iterator[Fault]:
    """Of the raw sources that answer on the proxy's port, those without a mount before the others."""
    raw = {source: one for source, one in sources.items() if one.kind == "raw"}
    taken = {f"/api/{name}": source for name, source in _SEGMENTS.items()}
    taken |= {
        mount_of(source, one): source for source, one in raw.items() if not one.mount and one.port is None
    }
    below = {path: mount for mount in reversed(taken) for path in _way_to(mount)}
    for source, one in raw.items():
        if not one.mount:
            continue
        if wrong := _wrong_with(one.mount, alone=one.port is not None):
            yield Fault(f"sources.{source}.mount", wrong)
        elif one.port is None:
            clash = next((path for path in _way_to(one.mount) if path in taken), below.get(one.mount))
            if clash is not None:
                yield Fault(f"sources.{source}.mount", f"overlaps with {clash}, where {taken[clash]} answers")
            taken.setdefault(one.mount, source)
            for path in _way_to(one.mount):
                below.setdefault(path, one.mount)


def _wrong_with(mount: str, *, alone: bool) -> str | None:
    """With the form of a mount; a source that is alone on a port may have any path there."""
    if not mount.startswith("/"):
        return f"{mount!r} does not begin with a slash"
    if mount == "/":
        return None if alone else "/ is possible on a port of its own only: set port"
    segments = mount[1:].split("/")
    if any(segment in (".", "..") for segment in segments):
        return f"{mount!r} holds a relative segment"
    if not all(map(_SEGMENT.fullmatch, segments)):
        return (
            f"{mount!r} holds an empty segment, or a character other than letters, digits, '-', '.', '_', '~'"
        )
    first = segments[1:2] if segments[0] == "api" else segments[:1]
    if not alone and RESERVED.intersection(first):
        return f"{mount!r} is reserved for what the product itself answers"
    return None


def _way_to(mount: str) -> Iterator[str]:
    """`/a`, `/a/b` and `/a/b/c` for the last of them."""
    return accumulate(mount[1:].split("/"), "{}/{}".format, initial="")


def _ports(settings: Settings) -> Iterator[Fault]:
    server = settings.server
    taken = {server.proxy_port: "the proxy", server.dashboard_port: "the dashboard"}
    for source, one in settings.sources.items():
        if one.kind != "raw" or not one.port:
            continue
        if owner := taken.get(one.port):
            yield Fault(f"sources.{source}.port", f"{one.port} is the port of {owner} too")
        taken.setdefault(one.port, source)
