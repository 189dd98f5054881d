"""What one window has counted, as it is written down for the next run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

#: Calls that lie together: when the newest was made, in Unix seconds, and how many they were.
Part = tuple[float, int]

#: Source, alias of the key, and name of the window.
Place = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaCounter:
    """A row of `quota_counters`."""

    source: str
    key_alias: str  #: empty where the source wants no key
    window: str  #: "day", "90s"
    started_at: datetime  #: of a fixed window; of a sliding one when the oldest call was made that counts
    used: int  #: other users' calls among them, as far as we were told
    declared: int | None  #: None: nobody has declared a limit
    estimated: float | None  #: None: nothing else than what is declared was learned
    resets_at: datetime | None  #: of a fixed window; of a sliding one until when others' calls count
    calls: Mapping[str, Sequence[Part]]  #: all of them, and those of some purposes
    rests: Mapping[str, tuple[float, str]]  #: by host: until when (Unix seconds) it is spent, and the code
    updated_at: datetime

    @property
    def place(self) -> Place:
        return self.source, self.key_alias, self.window
