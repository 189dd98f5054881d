"""Whose fault a failed call was, and what that moves."""

from collections import Counter, defaultdict, deque

from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.call import Call, Failure, Trouble
from autonomous_healing.endpoint_healing.codes import CALLER_ERROR, MISSING, THROTTLES, Blame, blame_for
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.health import HealthWindow
from autonomous_healing.endpoint_healing.missing_resources import MissingResources
from autonomous_healing.resilience import Clock, Punctuality

NOT_FOUND = 404

#: Failures that may turn out to be the network's are taken back, so many at most.
MOST_SUSPECTED = 1000


def is_hasty(call: Call, seconds: float, soft_timeout: float) -> bool:
    """Whether so many `seconds` are too few for silence to tell anything of the provider.

    Its own timeout always tells; a caller's deadline never does; what was left of a healing tells from the
    soft timeout on, by which an answer is usual.
    """
    if seconds >= call.endpoint.timeout:
        return False
    return call.hurried or seconds < soft_timeout


class Blaming:
    """Each blame moves only what it should (spec: endpoint healing, section 5).

    The caller's, the proxy's and the network's fault move neither circuit nor health; a key's moves the key;
    the provider's, for its service or its data, moves circuit and health of the target.
    """

    def __init__(self, admission: Admission, clock: Clock) -> None:
        self.punctuality = Punctuality(clock)
        self.counts: Counter[Blame] = Counter()  #: since the start
        self._admission = admission
        self._clock = clock
        self._resources: defaultdict[str, MissingResources] = defaultdict(MissingResources)
        self._suspected: deque[tuple[float, HealthWindow]] = deque(maxlen=MOST_SUSPECTED)

    def found(self, place: str, resource: str) -> None:
        """A resource of an endpoint was answered well."""
        self._resources[place].found(resource, self._clock.monotonic())

    def is_lost(self, failure: Failure, resource: str) -> bool:
        """Whether a 404 is one of so many that the provider must have lost what it had."""
        if failure.status != NOT_FOUND or diagnose(failure).code != CALLER_ERROR:
            return False
        return self._resources[failure.endpoint.place].not_found(resource, self._clock.monotonic())

    def answered(self) -> None:
        """Somebody was reached, whatever the answer."""
        self._admission.circuits.answered()
        self._suspected.clear()

    def count(self, failure: Failure, start: float, *, hasty: bool) -> Blame:
        """Find out whose fault it was, and move what that should move.

        `start`: when it was asked, in monotonic seconds; `hasty`: its time was too short for silence to tell
        anything of the provider.
        """
        blame = self._blame(failure, start, hasty=hasty)
        self.counts[blame] += 1
        endpoint = failure.endpoint
        breaker = self._admission.breaker(endpoint, failure.host)
        if blame in (Blame.PROVIDER, Blame.DATA):
            self._admission.window(endpoint).record_failure()
            code, seconds = diagnose(failure).code, failure.elapsed.total_seconds()
            breaker.record_failure(code, failure.retry_after, seconds)
        else:
            breaker.release_trial()
        return blame

    def _blame(self, failure: Failure, start: float, *, hasty: bool) -> Blame:
        """First match wins: haste, ourselves, the network, and only then who was asked."""
        endpoint, code = failure.endpoint, diagnose(failure).code
        keys = self._admission.limits(endpoint.source).keys
        if failure.key_alias:
            keys.reject(failure.key_alias, code, endpoint.name, failure.retry_after)
        if code in THROTTLES and not failure.refused:
            self._throttled(failure, code)
        match failure.trouble:
            case Trouble.TIMED_OUT if hasty:
                return Blame.CALLER
            case Trouble.NOT_SENT:
                return Blame.PROXY  # a crowd before our own door says nothing of the provider
            case Trouble.TIMED_OUT | Trouble.UNREACHABLE if self.punctuality.was_late_since(start):
                return Blame.PROXY
            case Trouble.TIMED_OUT | Trouble.UNREACHABLE if self._is_network(failure):
                return Blame.NETWORK
        if code == MISSING and failure.status == NOT_FOUND:
            return Blame.PROVIDER
        return blame_for(code, another_key_works=keys.can_rotate(endpoint.name, failure.key_alias))

    def _throttled(self, failure: Failure, code: str) -> None:
        """A key's limit holds at all hosts; without a key each host has its own."""
        ledger = self._admission.limits(failure.endpoint.source).ledger
        alias = failure.key_alias or ""
        ledger.throttled(alias, code, failure.retry_after, "" if alias else failure.host)

    def _is_network(self, failure: Failure) -> bool:
        """While it is down, silence is its fault, too; what was counted before that was known is undone."""
        circuits, endpoint = self._admission.circuits, failure.endpoint
        if failure.trouble is Trouble.TIMED_OUT and failure.connected:
            return circuits.network.is_down
        if not circuits.missed(endpoint.source):
            self._suspected.append((self._clock.monotonic(), self._admission.window(endpoint)))
            return False
        for at, window in self._suspected:
            if at >= circuits.network.since:
                window.take_back_failure()
        self._suspected.clear()
        return True
