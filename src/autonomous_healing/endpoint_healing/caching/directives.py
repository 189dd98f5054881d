"""What `Cache-Control` says, of requests and of answers (RFC 9111, section 5.2; RFC 5861; RFC 8246)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from autonomous_healing.endpoint_healing.caching.structured import BareItem, Token, parse_dictionary

#: The greatest number of seconds that counts; more is taken for this (RFC 9111, section 1.2.2).
LONGEST = 2_147_483_648.0

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ELEMENT = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_DIRECTIVE = re.compile(rb'(%b)(?:=(?:(%b)|"((?:[^"\\]|\\.)*)"))?' % (_TOKEN, _TOKEN), re.DOTALL)
_NAME = re.compile(_TOKEN)

#: Stands for an argument that cannot be read; it is no number, so what it limits is over.
_UNREADABLE = b"?"

#: By name in lower case; for each time that it was given its argument, None where it had none.
Arguments = Mapping[bytes, tuple[bytes | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDirectives:
    """Those of an answer that a shared cache goes by; seconds, None where not given."""

    no_store: bool = False
    no_cache: bool = False  #: of the whole answer
    private: bool = False  #: the same
    withheld: frozenset[bytes] = frozenset()  #: fields that `no-cache="..."` or `private="..."` name
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    immutable: bool = False
    max_age: float | None = None
    s_maxage: float | None = None
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDirectives:
    """What a request wants of a cache; seconds."""

    no_store: bool = False
    no_cache: bool = False
    only_if_cached: bool = False
    max_age: float | None = None
    min_fresh: float = 0.0
    max_stale: float = 0.0  #: `LONGEST` where any staleness will do
    stale_if_error: float = 0.0


#: Of a request that says nothing.
NO_WISHES = RequestDirectives()


#: Bytes up to which lines are read once only: long ones would hold memory.
_SHORT = 256


def answer_directives(*values: bytes) -> AnswerDirectives:
    """Of all lines of `Cache-Control`. What is given twice or cannot be read counts at its strictest."""
    read = _known_answers if sum(map(len, values)) <= _SHORT else _read_answers
    return read(*values)


def request_directives(*values: bytes) -> RequestDirectives:
    """Of all lines of `Cache-Control`; what cannot be read asks for the newest."""
    read = _known_requests if sum(map(len, values)) <= _SHORT else _read_requests
    return read(*values)


def _read_answers(*values: bytes) -> AnswerDirectives:
    said = _arguments(values)
    qualified = _listed(said, b"no-cache") | _listed(said, b"private")
    return AnswerDirectives(
        no_store=b"no-store" in said,
        no_cache=_is_whole(said, b"no-cache"),
        private=_is_whole(said, b"private"),
        withheld=qualified,
        public=b"public" in said,
        must_revalidate=b"must-revalidate" in said,
        proxy_revalidate=b"proxy-revalidate" in said,
        must_understand=b"must-understand" in said,
        immutable=b"immutable" in said,
        max_age=_least(said, b"max-age"),
        s_maxage=_least(said, b"s-maxage"),
        stale_while_revalidate=_least(said, b"stale-while-revalidate") or 0.0,
        stale_if_error=_least(said, b"stale-if-error") or 0.0,
    )


def _read_requests(*values: bytes) -> RequestDirectives:
    said = _arguments(values)
    return RequestDirectives(
        no_store=b"no-store" in said,
        no_cache=b"no-cache" in said,
        only_if_cached=b"only-if-cached" in said,
        max_age=_least(said, b"max-age"),
        min_fresh=_least(said, b"min-fresh") or 0.0,
        max_stale=LONGEST if None in said.get(b"max-stale", ()) else _least(said, b"max-stale") or 0.0,
        stale_if_error=_least(said, b"stale-if-error") or 0.0,
    )


_known_answers = lru_cache(1024)(_read_answers)
_known_requests = lru_cache(1024)(_read_requests)


def targeted_directives(*values: bytes) -> AnswerDirectives | None:
    """Of all lines of `CDN-Cache-Control`; None where nothing usable stands there (RFC 9213, section 2.1).

    There the syntax is strict: one fault, and the field counts as absent.
    """
    members = parse_dictionary(b", ".join(values))
    if not members:
        return None
    said = {name.encode(): (_argument(item),) for name, item in members.items() if item is not False}
    for name in (b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error"):
        if name in said and type(members[name.decode()]) is not int:
            del said[name]  # of the wrong type, so ignored
    if not said:
        return None
    lines = [name if value is None else b"%b=%b" % (name, value) for name, (value,) in said.items()]
    return answer_directives(b",".join(lines))


def _argument(item: BareItem) -> bytes | None:
    match item:
        case Token():
            return item.encode()
        case str():
            return b'"%b"' % re.sub(r'(["\\])', r"\\\1", item).encode()
        case int() if item is not True:
            return b"%d" % item
        case _:
            return None


def _arguments(values: Iterable[bytes]) -> Arguments:
    said: dict[bytes, tuple[bytes | None, ...]] = {}
    for value in values:
        for element in _ELEMENT.findall(value):
            name, argument = _read(element.strip(b" \t"))
            if name:
                said[name] = (*said.get(name, ()), argument)
    return said


def _read(element: bytes) -> tuple[bytes, bytes | None]:
    found = _DIRECTIVE.fullmatch(element)
    if found is not None:
        token, quoted = found[2], found[3]
        return found[1].lower(), token if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
    name = _NAME.match(element)
    return (name[0].lower(), _UNREADABLE) if name else (b"", None)


def _least(said: Arguments, name: bytes) -> float | None:
    """The least of all values; 0 where one cannot be read (RFC 9111, section 4.2.1), None where none is."""
    values = said.get(name)
    return min(map(_seconds, values)) if values else None


def _seconds(argument: bytes | None) -> float:
    if argument is None or not argument.isdigit():
        return 0.0
    digits = argument.lstrip(b"0")
    return LONGEST if len(digits) > 10 else min(float(digits or b"0"), LONGEST)


def _is_whole(said: Arguments, name: bytes) -> bool:
    """Whether a directive stands for the whole answer at least once; also where its list names nothing."""
    return any(argument is None or not _names(argument) for argument in said.get(name, ()))


def _listed(said: Arguments, name: bytes) -> frozenset[bytes]:
    return frozenset().union(*(_names(argument) for argument in said.get(name, ()) if argument is not None))


def _names(argument: bytes) -> frozenset[bytes]:
    """Names of fields; none at all where one of them is no name."""
    names = [one.strip(b" \t").lower() for one in argument.split(b",")]
    return frozenset(names) if all(map(_NAME.fullmatch, names)) else frozenset()
