"""What the product may do by itself. Pure: a review takes no I/O and well under a millisecond."""

from dataclasses import dataclass, field
from enum import StrEnum

from autonomous_healing.safety.options import Mode, SafetySettings


class Origin(StrEnum):
    """Where the idea to act came from."""

    RULE = "rule"
    LEARNED = "learned"
    GENERATED = "generated"


class Verdict(StrEnum):
    APPROVED = "approved"
    NEEDS_APPROVAL = "needs_approval"
    DENIED = "denied"


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One consequential act, before it is done."""

    domain: str  #: "endpoint", "code", "system", ...
    name: str
    origin: Origin
    confidence: float
    risk: int  #: 1 (an exact answer) to 10 (not in the risk table)
    single_answer: bool = False  #: changes nothing that stands: needs no way back
    undoable: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """What the guard says, and why."""

    verdict: Verdict
    reason: str


@dataclass(slots=True)
class FailSafe:
    """The run-time switch that takes freedom away."""

    mode: Mode = Mode.NORMAL
    reason: str = ""

    def enter(self, mode: Mode, reason: str) -> None:
        self.mode, self.reason = mode, reason

    @property
    def observes_only(self) -> bool:
        """Whether nothing at all may be done."""
        return self.mode is Mode.OBSERVE_ONLY

    def forbids(self, action: Action) -> str | None:
        """Why the present mode forbids the action, or None."""
        match self.mode:
            case Mode.NORMAL:
                return None
            case Mode.RULES_ONLY if action.origin is Origin.RULE:
                return None
            case Mode.ANSWERS_ONLY if action.single_answer:
                return None
            case _:
                return f"fail-safe mode {self.mode}"


#: Single answers up to this risk are judged by validators and the caller's policy, not by confidence.
ANSWER_RISK = 3


@dataclass(frozen=True, slots=True)
class Guard:
    """Reviews every consequential act before it is done. When in doubt, no."""

    settings: SafetySettings = field(default_factory=SafetySettings)
    fail_safe: FailSafe = field(default_factory=FailSafe)

    def review(self, action: Action) -> Review:
        """First match wins, in this order; what no rule forbids is approved."""
        if forbidden := self.fail_safe.forbids(action):
            return Review(Verdict.DENIED, forbidden)
        if action.domain not in self.settings.allowed_domains:
            return Review(Verdict.DENIED, f"domain_violation: {action.domain}")
        if action.name in self.settings.deny:
            return Review(Verdict.DENIED, "on the deny list")
        if not (action.undoable or action.single_answer):
            return Review(Verdict.DENIED, "no way back")
        if _is_a_validated_answer(action):
            return Review(Verdict.APPROVED, "a validated answer that the caller allows")
        # `not >=` rather than `<`: a confidence that is no number must not pass.
        if not action.confidence >= self.settings.human_approval_threshold:
            return Review(Verdict.NEEDS_APPROVAL, f"confidence {action.confidence:.2f}")
        if action.risk >= self.settings.approval_risk:
            return Review(Verdict.NEEDS_APPROVAL, f"risk {action.risk}")
        return Review(Verdict.APPROVED, "within the limits")


def _is_a_validated_answer(action: Action) -> bool:
    by_rule = action.origin in (Origin.RULE, Origin.LEARNED)
    return action.single_answer and by_rule and action.risk <= ANSWER_RISK
