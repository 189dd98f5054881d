"""Dictionaries as structured fields, read by the letter (RFC 9651, section 4.2)."""

import base64
import binascii
import re
from typing import TypeAlias


class Token(str):
    """A word without quotes."""

    __slots__ = ()


#: What may stand for a member; an inner list has no meaning for a cache, and is given as nothing.
BareItem: TypeAlias = "int | float | str | bytes | bool | None"

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_NUMBER = re.compile(r"-?(?:([0-9]{1,12})\.([0-9]{1,3})|[0-9]{1,15})(?![0-9.])")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
_BYTES = re.compile(r":([A-Za-z0-9+/=]*):")
_BOOLEAN = re.compile(r"\?([01])")
_BLANKS = re.compile(r" *")
_WHITE = re.compile(r"[ \t]*")


class _Bad(ValueError):
    """Not by the letter."""


class _Reader:
    """Goes through one field from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def over(self) -> bool:
        return self.at == len(self.text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What stands here, if it is of that form."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def takes(self, letter: str) -> bool:
        """Whether that letter stands here; then it is behind us."""
        found = self.text.startswith(letter, self.at)
        self.at += found
        return found

    def key(self) -> str:
        found = self.take(_KEY)
        if found is None:
            raise _Bad
        return found[0]

    def bare_item(self) -> BareItem:
        if found := self.take(_NUMBER):
            return float(found[0]) if found[1] else int(found[0])
        if found := self.take(_STRING):
            return re.sub(r"\\(.)", r"\1", found[1])
        if found := self.take(_TOKEN):
            return Token(found[0])
        if found := self.take(_BOOLEAN):
            return found[1] == "1"
        if found := self.take(_BYTES):
            try:
                return base64.b64decode(found[1], validate=True)
            except binascii.Error:
                raise _Bad from None
        raise _Bad

    def parameters(self) -> None:
        """They mean nothing here, but must be well formed."""
        while self.takes(";"):
            self.take(_BLANKS)
            self.key()
            if self.takes("="):
                self.bare_item()

    def inner_list(self) -> None:
        """The rest of one, behind its bracket."""
        while True:
            self.take(_BLANKS)
            if self.takes(")"):
                return
            self.bare_item()
            self.parameters()
            if self.text[self.at : self.at + 1] not in (" ", ")"):
                raise _Bad

    def member(self) -> BareItem:
        """The value of one; a key alone is true."""
        item: BareItem = True
        if self.takes("="):
            if self.takes("("):
                self.inner_list()
                item = None
            else:
                item = self.bare_item()
        self.parameters()
        return item


def parse_dictionary(field: bytes) -> dict[str, BareItem] | None:
    """The members; of those with the same name the last. None where the field is malformed."""
    try:
        reader = _Reader(field.decode("ascii").strip(" "))
        members: dict[str, BareItem] = {}
        while not reader.over:
            name = reader.key()
            members[name] = reader.member()
            reader.take(_WHITE)
            if reader.over:
                break
            if not reader.takes(",") or (reader.take(_WHITE) and reader.over):
                return None
    except (_Bad, UnicodeDecodeError):
        return None
    return members
