"""Who goes first where not all can."""

from enum import IntEnum

from autonomous_healing.endpoint_healing.purpose import Purpose

#: From this urgency on a caller can wait (RFC 9218, section 4.1: 0 is the most urgent, 7 the least).
BATCH_URGENCY = 5


class Priority(IntEnum):
    """The most urgent first."""

    INTERACTIVE = 0  #: somebody waits for it
    BATCH = 1  #: somebody wants it, who can wait
    PROBE = 2  #: the product itself wants it
    SHADOW = 3  #: for comparison and practice


#: What the product wants by itself has time.
OF_PURPOSE = {
    Purpose.BATCH: Priority.BATCH,
    Purpose.PROBE: Priority.PROBE,
    Purpose.PREFETCH: Priority.PROBE,
    Purpose.SHADOW: Priority.SHADOW,
    Purpose.DRILL: Priority.SHADOW,
}


def priority_said(field: str) -> Priority:
    """By the `u` of a `Priority` header; what cannot be read is ignored, as RFC 9218 wants it."""
    priority = Priority.INTERACTIVE
    for parameter in field.split(","):
        name, _, value = parameter.partition(";")[0].partition("=")
        value = value.strip()
        if name.strip() == "u" and value in tuple("01234567"):
            priority = Priority.BATCH if int(value) >= BATCH_URGENCY else Priority.INTERACTIVE
    return priority
