"""How long an answer is fresh, and how old it is (RFC 9111, section 4.2)."""

from math import floor

from autonomous_healing.endpoint_healing.caching.answers import AnswerFacts

#: What may be kept where nothing is said of how long (RFC 9110, section 15.1), less 206: parts are not kept.
HEURISTIC = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})

#: Of the time since it last changed, the share for which an answer is guessed to be fresh (RFC 9111, section
#: 4.2.2), and the longest guess: a day, after which caches once had to warn (RFC 7234, section 5.5.4).
_SHARE, _LONGEST_GUESS = 0.1, 86_400.0

#: Seconds after which an error is asked for again, whatever it says: somebody may have provoked it.
LONGEST_ERROR = 300.0


def freshness_lifetime(facts: AnswerFacts) -> float:
    """Seconds; 0 where it says nothing and nothing can be guessed."""
    seconds = _lifetime(facts)
    return min(seconds, LONGEST_ERROR) if facts.status >= 400 else seconds


def _lifetime(facts: AnswerFacts) -> float:
    rules = facts.rules
    if rules.s_maxage is not None:
        return rules.s_maxage
    if rules.max_age is not None:
        return rules.max_age
    if facts.expires is not None:
        return max(0.0, facts.expires - facts.date)
    guessable = facts.status in HEURISTIC or rules.public
    if not guessable or facts.last_modified is None or facts.cookie:
        return 0.0
    return min(max(0.0, facts.date - facts.last_modified) * _SHARE, _LONGEST_GUESS)


def initial_age(facts: AnswerFacts, took: float, now: float) -> float:
    """Seconds since the answer was made, when it came (section 4.2.3).

    `took`: seconds from question to answer. `now`: the date here; where that is in doubt the earlier, since
    the age that caches on the way say counts anyway.
    """
    apparent = max(0.0, floor(now) - facts.date)  # dates have no parts of a second
    return max(apparent, facts.age + max(0.0, took))
