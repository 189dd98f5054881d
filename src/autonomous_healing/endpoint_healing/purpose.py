"""Why a source is asked: some reasons may use less of its quota than others."""

from enum import StrEnum


class Purpose(StrEnum):
    """Of one call to a source."""

    FIRST = "first"  #: a caller asks
    BATCH = "batch"  #: a caller asks who can wait
    RETRY = "retry"  #: the same again
    HEDGE = "hedge"  #: the same elsewhere, before the first has answered
    FALLBACK = "fallback"  #: in place of another source
    PROBE = "probe"  #: to see how the source is
    PREFETCH = "prefetch"  #: so that the next caller need not wait
    SHADOW = "shadow"  #: to compare
    DRILL = "drill"  #: for practice
