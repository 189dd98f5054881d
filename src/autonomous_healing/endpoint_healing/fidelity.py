"""How faithful an answer is, and how much unfaithfulness a caller allows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum


class Fidelity(IntEnum):
    """Best first: a smaller number is a better answer."""

    EXACT = 0  #: the same data from the same provider
    EQUIVALENT = 1  #: another provider or path, under a contract
    STALE = 2  #: an older copy, within its window
    REDUCED = 3  #: less, or coarser
    SUBSTITUTE = 4  #: another instrument or series

    @property
    def word(self) -> str:
        return self.name.lower()


#: A substitute is never given unasked.
DEFAULT_LEVELS = (Fidelity.EXACT, Fidelity.EQUIVALENT, Fidelity.STALE)


class BadPolicy(ValueError):
    """A `Healing-Allow` header that cannot be read; the message says where and what is allowed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The levels a caller accepts; none at all turns healing off."""

    levels: frozenset[Fidelity] = field(default_factory=lambda: frozenset(DEFAULT_LEVELS))
    max_age: float | None = None  #: seconds, for stale answers

    def allows(self, level: Fidelity) -> bool:
        return level in self.levels

    def allows_age(self, age: float) -> bool:
        return self.max_age is None or age <= self.max_age

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(level.word for level in sorted(self.levels))


NO_HEALING = Policy(frozenset())


def parse_levels(words: Sequence[str]) -> frozenset[Fidelity]:
    """Level names as settings spell them; raises `BadPolicy` for an unknown one."""
    known = {level.word: level for level in Fidelity}
    if unknown := [word for word in words if word not in known]:
        raise BadPolicy(f"unknown fidelity level {unknown[0]!r}; known are {', '.join(known)}")
    return frozenset(known[word] for word in words)


def parse_allow(header: str, allow_max: frozenset[Fidelity]) -> Policy:
    """`Healing-Allow: exact, stale;max-age=600` or `none`, limited to what the route may give.

    Raises `BadPolicy`.
    """
    items = [item.strip() for item in header.split(",") if item.strip()]
    if items == ["none"]:
        return NO_HEALING
    if not items:
        raise BadPolicy("Healing-Allow is empty; send `none` to turn healing off")
    max_age: float | None = None
    words: list[str] = []
    for item in items:
        word, *parameters = [part.strip() for part in item.split(";")]
        words.append(word)
        for parameter in parameters:
            max_age = _max_age(word, parameter)
    levels = parse_levels(words) & allow_max
    if not levels:
        known = ", ".join(level.word for level in sorted(allow_max))
        raise BadPolicy(f"Healing-Allow: none of {', '.join(words)} is given here; allowed are {known}")
    return Policy(levels, max_age)


def _max_age(word: str, parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if word != "stale" or name != "max-age" or not (value.isascii() and value.isdigit()):
        raise BadPolicy(f"Healing-Allow: cannot read {parameter!r} of {word!r}; try `stale;max-age=600`")
    return float(value)
