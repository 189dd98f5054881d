"""What a caller is told of where an answer comes from, in headers and in problem documents."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from autonomous_healing.endpoint_healing.call import BadAnswer, Failure, Response
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.healer import LAST_RESORT, LATE_ANSWER, Result
from autonomous_healing.endpoint_healing.relaying import RELAYED
from autonomous_healing.healing import Outcome

PROBLEM = "application/problem+json"
NO_TRUTHFUL_ANSWER = "urn:autonomous-healing:problem:no-truthful-answer"

#: What a source says of keeping its answers does not hold for a healed one.
CACHE_RULES = frozenset({"cache-control", "expires"})

#: How long a caller is asked to wait where nobody knows better, and at most (seconds).
WAIT, LONGEST_WAIT = 30, 86_400


@dataclass(frozen=True, slots=True)
class Repeat:
    """A healing from a copy holds for all who ask the same, until its age in words is no longer true."""

    felt: str  #: what its callers get, as windows count it
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What goes back to the caller."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    repeats: "Repeat | None" = None  #: where the same may be said again without asking or healing anew
    felt: str = ""  #: how its caller feels it; empty where that is not counted
    shared: bool = True  #: those who asked at the same time may have it, too


def reply_to(result: Result, *, always_problem: bool) -> Reply:
    """The answer with its provenance, the caller's own error, or the honest failure."""
    return replace(_reply_to(result, always_problem=always_problem), felt=result.felt, shared=result.shared)


def _reply_to(result: Result, *, always_problem: bool) -> Reply:
    response, failure = result.response, result.failure
    if response is not None:
        return _answer(result, response)
    if failure is None:
        raise ValueError("a result without an answer holds a failure")
    if result.report is None and failure.answer is not None:
        return _as_it_came(failure.answer, {})  # the caller's own mistake
    if result.bypassed and failure.answer is not None:
        bypassed = {"Healing-Status": "bypassed", "Healing-Trail": str(result.call.id)}
        return _as_it_came(failure.answer, {**bypassed, **_wait(failure)})
    headers = {"Healing-Status": "failed", "Healing-Trail": str(result.call.id)}
    if failure.answer is not None and failure.answer.status >= 400 and not always_problem:
        return _as_it_came(failure.answer, {**headers, **_wait(failure)})
    return _problem(result, failure, headers)


def reply_from(response: Response) -> Reply:
    """What a source said of itself, now or a while ago."""
    headers = dict(response.headers)
    if response.ttl is not None:
        headers |= _reused(response, response.ttl)
    elif response.suspect or response.delayed:
        headers["Healing-Fidelity"] = fidelity_field(response)
    if response.ttl is None and response.keeping.age >= 1:
        headers["Age"] = str(int(response.keeping.age))  # from a cache on the way
    return Reply(
        status=response.status, content_type=response.content_type, body=response.body, headers=headers
    )


def _answer(result: Result, response: Response) -> Reply:
    report = result.report
    if report is None or report.strategy in (LATE_ANSWER, LAST_RESORT):
        return reply_from(response)
    headers = {name: value for name, value in response.headers.items() if name not in CACHE_RULES}
    headers |= healing_headers(response, report.strategy or "", str(result.call.id))
    headers["Cache-Control"] = "max-age=0, must-revalidate"
    if response.age is not None:
        headers["Age"] = str(int(response.age))
        headers["Cache-Status"] = _cache_status(result.failure)
    return Reply(
        status=response.status,
        content_type=response.content_type,
        body=response.body,
        headers=headers,
        repeats=_repeat(response),
    )


def _reused(response: Response, ttl: float) -> dict[str, str]:
    """Of a copy that answered without its source being asked (RFC 9111, section 5.1; RFC 9211)."""
    headers = {
        "Age": str(int(response.age or 0.0)),
        "Cache-Status": f"autonomous_healing; hit; ttl={math.floor(ttl)}",
    }
    if response.fidelity is not Fidelity.EXACT or response.delayed:
        headers["Healing-Fidelity"] = fidelity_field(response)
    return headers


def _repeat(response: Response) -> Repeat | None:
    if response.age is None:
        return None
    return Repeat(response.fidelity.word, math.ceil(response.age) - response.age)


def unchecked(headers: Mapping[str, str]) -> Reply:
    """The head of an answer that is too large to be held, and so goes on without having been judged."""
    told = {name: headers[name] for name in RELAYED if name in headers}
    kind = headers.get("content-type", "application/octet-stream")
    return Reply(
        status=200, content_type=kind, body=b"", headers={**told, "Healing-Fidelity": "exact;unchecked"}
    )


def healing_headers(response: Response, strategy: str, trail: str) -> dict[str, str]:
    return {
        "Healing-Status": "healed",
        "Healing-Strategy": strategy,
        "Healing-Source": response.source,
        "Healing-Fidelity": fidelity_field(response),
        "Healing-Trail": trail,
    }


def fidelity_field(response: Response) -> str:
    """A structured field: a level with its parameters (RFC 9651)."""
    parts = [response.fidelity.word]
    if response.age is not None:
        parts.append(f"age={math.ceil(response.age)}")
    for name in ("suspect", "delayed", "truncated"):
        if getattr(response, name):
            parts.append(name)
    if response.original:
        parts += [f'original="{response.original}"', f'actual="{response.actual}"']
    return ";".join(parts)


def _cache_status(failure: Failure | None) -> str:
    status = failure.status if failure else None
    forwarded = f"; fwd-status={status}" if status else ""
    return f"autonomous_healing; fwd=stale{forwarded}"


def _wait(failure: Failure) -> dict[str, str]:
    """Retry-After where the source's own status wants one."""
    status = failure.answer.status if failure.answer else None
    return {"Retry-After": str(wait_seconds([failure]))} if status in (429, 503) else {}


def _as_it_came(answer: BadAnswer, headers: dict[str, str]) -> Reply:
    return Reply(status=answer.status, content_type=answer.content_type, body=answer.body, headers=headers)


def _problem(result: Result, failure: Failure, headers: dict[str, str]) -> Reply:
    call, report = result.call, result.report
    diagnosis = report.diagnosis if report else diagnose(failure)
    wait = wait_seconds([failure])
    document: dict[str, Any] = {
        "type": NO_TRUTHFUL_ANSWER,
        "title": "No truthful answer is available",
        "status": 503,
        "detail": f"{call.endpoint.source.display_name}: {diagnosis.hint}",
        "instance": f"/api/healing/trails/{call.id}",
        "source": call.endpoint.source.id,
        "endpoint": call.endpoint.name,
        "code": diagnosis.code,
        "error_type": ERROR_TYPE.get(diagnosis.code),
        "upstream_status": failure.status,
        "allowed": list(call.policy.words),
        "attempts": [
            {"strategy": one.strategy, "outcome": one.outcome.value, "reason": one.reason}
            for one in (report.attempts if report else ())
            if one.outcome is not Outcome.HEALED
        ],
    }
    status = "bypassed" if result.bypassed else "failed"
    return problem(503, document, {**headers, "Healing-Status": status, "Retry-After": str(wait)})


def problem(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    """RFC 9457."""
    return Reply(
        status=status, content_type=PROBLEM, body=msgspec.json.encode(document), headers=headers or {}
    )


def refusal(status: int, title: str, detail: str, **more: Sequence[str]) -> Reply:
    """A problem document of the proxy's own: the request was wrong, or leads nowhere."""
    return problem(
        status, {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    )


def not_allowed(detail: str, methods: str) -> Reply:
    """A method that will not do here, with those that would (RFC 9110, section 15.5.6)."""
    reply = refusal(405, "Method not allowed", detail)
    reply.headers["Allow"] = methods
    return reply


def wait_seconds(failures: Iterable[Failure]) -> int:
    """The earliest moment at which asking again makes sense, in whole seconds."""
    said = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return min(max(1, math.ceil(min(said, default=WAIT))), LONGEST_WAIT)
