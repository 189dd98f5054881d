"""One limit of one key: what counts against it, who may use how much of it, and what is learned of it."""

import math
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from autonomous_healing.endpoint_healing.codes import QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quotas.guards import Guards
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.periods import longest, period_at
from autonomous_healing.endpoint_healing.quotas.steady_time import SteadyTime
from autonomous_healing.endpoint_healing.quotas.tally import SLICES, Tally

#: A limit over a longer window is a plan's quota, over a shorter one a pace.
PACE_SECONDS = 3600.0

#: Where nothing is known of a limit.
UNLIMITED = 10**12

#: After a throttle a limit is believed to be this part of the calls that met it, and to be so much larger after
#: each window without one (spec: endpoint healing, section 10).
_THROTTLED, _CLEAN = 0.95, 1.05

#: Windows that passed in one go are counted up to here: by then any limit is what it was declared.
_MOST_CLEAN = 500


class QuotaSpent(Exception):
    """The call would pass a limit: under which code to refuse it, and in how many seconds there is room."""

    def __init__(self, code: str, retry_after: float, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
