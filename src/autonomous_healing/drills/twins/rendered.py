"""What a twin sends: status, head fields and body, ready to go out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
XML = "text/xml; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """One answer, byte for byte."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the body, in hex."""
        return sha256(self.body).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundKey:
    """The API key a request carries, and the request without it."""

    key: str  #: empty when the request carries none
    path: str
    query: Mapping[str, str]


def in_json(content: object, status: int = 200) -> Rendered:
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return Rendered(status=status, content_type=JSON, body=body)


def in_html(title: str, text: str, status: int = 200) -> Rendered:
    head = f"<!DOCTYPE html><html><head><title>{title}</title></head>"
    page = f"{head}<body><h1>{title}</h1><p>{text}</p></body></html>"
    return Rendered(status=status, content_type=HTML, body=page.encode())


def in_text(text: str, status: int = 200) -> Rendered:
    return Rendered(status=status, content_type=TEXT, body=text.encode())


def key_in_query(name: str, path: str, query: Mapping[str, str]) -> FoundKey:
    """The key under that name in the query."""
    rest = {field: value for field, value in query.items() if field != name}
    return FoundKey(key=query.get(name, ""), path=path, query=rest)
