"""Errors as problem documents (RFC 9457), the same for people and programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What went wrong with a request."""

    status: int
    detail: str
    instance: str | None = None  #: "urn:incident:<id>" of an unexpected fault
    needed_scope: str | None = None  #: what a token would have to allow
    errors: tuple[Mapping[str, str], ...] = ()  #: the fields at fault
    headers: Mapping[str, str] = field(default_factory=dict)  #: sent with it

    def document(self) -> bytes:
        """As it is sent; what does not apply is left out."""
        members = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
            "needed_scope": self.needed_scope,
            "errors": self.errors,
        }
        return json.dumps({name: value for name, value in members.items() if value}).encode()


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, retry_after: int | None = None
    ) -> None:
        """`field`: the one at fault, such as "body.reason"; `retry_after` in seconds."""
        super().__init__(detail)
        self.problem = Problem(
            status=status,
            detail=detail,
            errors=({"field": field, "message": detail},) if field else (),
            headers={"Retry-After": str(retry_after)} if retry_after else {},
        )
