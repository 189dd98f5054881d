"""Leave to ask a source: a key of it that has room, charged before the call is made."""

from dataclasses import dataclass

from autonomous_healing.endpoint_healing.key_states import RESTING
from autonomous_healing.endpoint_healing.keys import Key, KeyRing, NoKey, rotates_on
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent, Weight
from autonomous_healing.endpoint_healing.quotas.readings import QuotaReading
from autonomous_healing.resilience import RetryBudget


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What one source's calls share."""

    keys: KeyRing
    ledger: QuotaLedger
    budget: RetryBudget

    def __post_init__(self) -> None:
        self.keys.remaining_share = self.ledger.remaining_share
        self.keys.period_left = self.ledger.period_left

    def take(
        self,
        endpoint_name: str,
        *,
        weight: Weight = 1,
        purpose: Purpose = Purpose.FIRST,
        avoid_key: str | None = None,
        may_check: bool = False,
        host: str = "",
    ) -> Key | None:
        """The key for one call, counted against all its windows; None where the source needs none.

        `may_check`: as in `KeyRing.choose`; `host`: where the call goes. Raises `NoKey` and `QuotaSpent`, and
        has counted nothing then.
        """
        key = self.keys.choose(endpoint_name, exclude=avoid_key, may_check=may_check)
        if key is None:
            self.ledger.charge("", weight, purpose, host)
            return None
        try:
            self.ledger.charge(key.alias, weight, purpose)
        except QuotaSpent as spent:
            if avoid_key is not None or rotates_on(self.keys.source).isdisjoint(RESTING):
                raise
            return self._other(endpoint_name, key, weight, purpose, spent)
        return key

    def readings(self) -> list[QuotaReading]:
        """Every window of every key, used or not."""
        self.ledger.open([key.alias for key in self.keys.keys] if self.keys.needs_key else [""])
        return self.ledger.readings()

    def _other(
        self, endpoint_name: str, key: Key, weight: Weight, purpose: Purpose, spent: QuotaSpent
    ) -> Key:
        """The key with the largest share left beside `key`: where it has no room, hardly any has."""
        try:
            other = self.keys.choose(endpoint_name, exclude=key.alias)
        except NoKey:
            raise spent from None
        if other is None:
            raise spent
        try:
            self.ledger.charge(other.alias, weight, purpose)
        except QuotaSpent as again:
            raise min(spent, again, key=lambda one: one.retry_after) from None
        return other
