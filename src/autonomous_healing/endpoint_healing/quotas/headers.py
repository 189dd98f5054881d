"""What an answer's head says of limits, in all the forms in which providers say it. Pure.

- `X-RateLimit-Limit`, `-Remaining`, `-Reset`, also as `X-Rate-Limit-` and `RateLimit-`, and each for one
  window as in `X-RateLimit-Remaining-Minute`;
- `RateLimit-Policy: "day";q=1000;w=86400` and `RateLimit: "day";r=12;t=3600`: quota and window of a policy,
  what is left of it, and seconds until there is more (draft-ietf-httpapi-ratelimit-headers-10, and 6 and 7);
- `api-credits-used` and `api-credits-left`, of the present minute.

What cannot be read is left out: a header never costs more than what it says nothing of.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from autonomous_healing.endpoint_healing.quotas.options import LENGTHS
from autonomous_healing.endpoint_healing.retry_after import retry_after

#: No limit is larger; no window longer.
MOST, LONGEST = 1_000_000_000, LENGTHS["month"]

#: Policies in one answer, and characters of one field, that are looked at.
_MOST_POLICIES, _MOST_CHARACTERS = 8, 1024

#: A reset is read like any other wait, under this name.
_RESET = "x-ratelimit-reset"

_NAME = re.compile(
    r"(?:x-)?rate-?limit-(?:requests-)?(limit|remaining|reset)(?:-(second|minute|hour|day|month))?", re.ASCII
)
_CREDITS = {"api-credits-used": "used", "api-credits-left": "remaining"}
_STRUCTURED = frozenset({"ratelimit", "ratelimit-policy"})

#: A plain number, before whatever explains it: older drafts write `100, 100;w=60`.
_NUMBER = re.compile(r"(\d{1,12})(?:\s*[,;].*)?", re.ASCII)

#: An item of a list of structured fields (RFC 9651): a name in quotes, a token or a number; its parameters.
_KEY, _VALUE = r"[a-z*][\w.*-]*", r'(?:"[^"]*"|[^\s,;"]+)'
_ITEM = re.compile(
    r'\s*(?:"([^"\\]{0,100})"|([A-Za-z*][\w.*-]{0,99}|\d{1,12}))\s*'
    rf"((?:;\s*{_KEY}(?:={_VALUE})?\s*)*)(?:,|$)",
    re.ASCII,
)
_PARAMETER = re.compile(rf';\s*({_KEY})=(?:(\d{{1,12}})(?![^\s;,])|"([^"]*)")', re.ASCII)

#: Draft 07 had one dictionary instead: `limit=100, remaining=50, reset=5`.
_PAIR = re.compile(r"\s*(limit|remaining|reset)=(\d{1,12})\s*", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Of one window."""

    seconds: float | None = None  #: its length; None: not said
    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None  #: seconds
    used: int | None = None


@lru_cache(1024)
def is_telling(name: str) -> bool:
    """Whether a field of that name, in lower case, is one of those above."""
    return name in _STRUCTURED or _meaning(name) is not None


def told_by(headers: Mapping[str, str], now: datetime) -> list[Told]:
    """Of each window that is spoken of; names in lower case."""
    found = {
        name: value for name, value in headers.items() if is_telling(name) and len(value) <= _MOST_CHARACTERS
    }
    if not found:
        return []
    structured = _structured(found.pop("ratelimit-policy", ""), found.pop("ratelimit", ""))
    return [one for one in (*structured, *_plain(found, now)) if one != Told(seconds=one.seconds)]


def _plain(headers: Mapping[str, str], now: datetime) -> Iterator[Told]:
    by_window: dict[str, Told] = {}
    for name, value in headers.items():
        what, window = _meaning(name) or ("", "")
        known = by_window.get(window, Told(seconds=LENGTHS.get(window)))
        match what:
            case "limit":
                known = replace(known, limit=_number(value) or None)
            case "remaining":
                known = replace(known, remaining=_number(value))
            case "used":
                known = replace(known, used=_number(value))
            case _:
                seconds = retry_after({_RESET: value}, now, (_RESET,), LONGEST)
                known = replace(known, resets_in=seconds)
        by_window[window] = known
    for told in by_window.values():
        if told.used is not None and told.remaining is not None:
            yield replace(told, limit=told.used + told.remaining or None)
        else:
            yield told


def _meaning(name: str) -> tuple[str, str] | None:
    """What of which window, which is empty where none is named."""
    if name in _CREDITS:
        return _CREDITS[name], "minute"
    found = _NAME.fullmatch(name)
    return (found[1], found[2] or "") if found else None


def _structured(policies: str, limits: str) -> Iterator[Told]:
    """Joined by the names of policies; those that count anything but requests are left out."""
    quotas = dict(_items(policies))
    pairs = [_PAIR.fullmatch(part) for part in limits.split(",")]
    if all(pairs):
        said = {pair[1]: pair[2] for pair in pairs if pair}
        quota = quotas.get(said.get("limit", ""), {})
        yield _told(quota, said.get("limit"), said.get("remaining"), said.get("reset"))
        return
    states = dict(_items(limits))
    for name in list(dict.fromkeys((*quotas, *states)))[:_MOST_POLICIES]:
        quota, state = quotas.get(name, {}), states.get(name, {})
        if quota.get("qu", "requests") == "requests":
            limit = quota.get("q") or (name if name.isdigit() else None)
            yield _told(quota, limit, state.get("r"), state.get("t"))


def _told(quota: Mapping[str, str], limit: str | None, remaining: str | None, reset: str | None) -> Told:
    window, seconds = _number(quota.get("w", "")), _number(reset or "")
    return Told(
        seconds=float(window) if window and window <= LONGEST else None,
        limit=_number(limit or "") or None,
        remaining=_number(remaining or ""),
        resets_in=None if seconds is None else min(float(seconds), LONGEST),
    )


def _items(said: str) -> Sequence[tuple[str, dict[str, str]]]:
    """Name and parameters of each item; none of a list that is not well formed, as the draft wants it."""
    items: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(said):
        found = _ITEM.match(said, at)
        if found is None or len(items) == _MOST_POLICIES:
            return ()
        parameters = {name: number or text for name, number, text in _PARAMETER.findall(found[3])}
        items.append((found[1] or found[2] or "", parameters))
        at = found.end()
    return items


def _number(said: str) -> int | None:
    found = _NUMBER.fullmatch(said.strip())
    return min(int(found[1]), MOST) if found else None
