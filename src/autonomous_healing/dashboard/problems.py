"""Errors as problem documents (RFC 9457), the same for people and programs."""

import json
from dataclasses import dataclass
from http import HTTPStatus

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What went wrong with a request."""

    status: int
    detail: str
    instance: str | None = None  #: "urn:incident:<id>" of an unexpected fault
    errors: tuple[dict[str, str], ...] = ()  #: the fields at fault

    def document(self) -> bytes:
        """As it is sent; what does not apply is left out."""
        members = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
            "errors": self.errors,
        }
        return json.dumps({name: value for name, value in members.items() if value}).encode()


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(status=status, detail=detail)
