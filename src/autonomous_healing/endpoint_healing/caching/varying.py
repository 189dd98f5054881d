"""Which of several answers to one question is meant (RFC 9111, section 4.1)."""

import hashlib
import re

from autonomous_healing.endpoint_healing.caching.requests import joined
from autonomous_healing.wire.message import Fields

#: Fields with weighted choices, whose case and order say nothing (RFC 9110, sections 12.5.2 to 12.5.4).
_WEIGHTED = frozenset({b"accept-charset", b"accept-encoding", b"accept-language"})

_ELEMENT = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_WEIGHT = re.compile(rb"[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*", re.IGNORECASE)


def varying_fields(fields: Fields) -> tuple[bytes, ...] | None:
    """Names that `Vary` holds, sorted; None where nothing could ever match (`*`)."""
    said = joined(fields, b"vary")
    if said is None:
        return ()
    names = {name.strip(b" \t").lower() for name in said.split(b",")} - {b""}
    return None if b"*" in names else tuple(sorted(names))


def variant_key(resource: bytes, names: tuple[bytes, ...], request: Fields) -> bytes:
    """A digest of what is asked for and of those fields of the request that choose among its answers."""
    if not names:
        return resource
    digest = hashlib.sha256(resource)
    for name in names:
        value = joined(request, name)
        said = b"-" if value is None else b"+" + normalised(name, value)
        digest.update(b"%d:%b%d:%b" % (len(name), name, len(said), said))
    return digest.digest()


def normalised(name: bytes, value: bytes) -> bytes:
    """The same for all ways of writing what means the same."""
    elements = [one for one in (part.strip(b" \t") for part in _ELEMENT.findall(value)) if one]
    if name in _WEIGHTED:
        elements = _sorted(elements)
    return b", ".join(elements)


def _sorted(elements: list[bytes]) -> list[bytes]:
    """By weight, then by name; the weight is written only where it is not 1."""
    weighed = []
    for element in elements:
        found = _WEIGHT.search(element)
        weight = float(found[1]) if found else 1.0
        name = (element[: found.start()] if found else element).lower()
        weighed.append((-weight, name, element[found.end() :] if found else b""))
    return [
        name + rest if weight == -1.0 else b"%b;q=%b%b" % (name, b"%.3f" % -weight, rest)
        for weight, name, rest in sorted(weighed)
    ]
