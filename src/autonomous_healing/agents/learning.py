"""Feeds what the journal tells to the learner, and keeps what was learned."""

from collections import deque
from typing import NamedTuple

from autonomous_healing.agents.agent import Agent
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.healing import Follower, Outcome, Report
from autonomous_healing.learning import LearningStore, NestedLearner
from autonomous_healing.resilience import Clock


class _Lesson(NamedTuple):
    code: str
    cluster: str
    strategy: str
    healed: bool
    seconds: float
    at: float


class LearningAgent(Agent[Report]):
    """Learns from users' requests and from probes in exactly the same way."""

    def __init__(self, inbox: Follower, learner: NestedLearner, store: LearningStore, clock: Clock) -> None:
        super().__init__("learning", inbox, clock)
        self._learner = learner
        self._store = store
        self._loaded = False
        #: Learned before the database could be read: learned again on top of what is kept there.
        self._before_load: deque[_Lesson] = deque(maxlen=4096)

    async def handle(self, item: Report) -> None:
        if isinstance(item.case, FailedCall) and item.case.too_hasty:
            return  # what had no time tells nothing of how well it works
        for attempt in item.attempts:
            if attempt.tried and attempt.outcome is not Outcome.CRASHED:
                lesson = _Lesson(
                    item.diagnosis.code,
                    item.diagnosis.cluster,
                    attempt.strategy,
                    attempt.healed,
                    attempt.seconds,
                    self._clock.now().timestamp(),
                )
                self._learner.learn(*lesson)
                if not self._loaded:
                    self._before_load.append(lesson)

    async def save(self) -> None:
        """Write down what was learned; raises `DatabaseAway`. What is kept is never overwritten unread."""
        await self.load()
        self._learner.tick(self._clock.now().timestamp())
        await self._store.save(self._learner.snapshot())

    async def load(self) -> None:
        """Take up what was learned before this start; raises `DatabaseAway`."""
        if self._loaded:
            return
        self._learner.restore(await self._store.load())
        self._loaded = True
        while self._before_load:
            self._learner.learn(*self._before_load.popleft())
