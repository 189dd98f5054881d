"""Before the faults: a round of good answers, and what the product adds to a healthy one."""

import statistics
from collections.abc import Sequence

import aiohttp

from autonomous_healing.drills.questions import Question
from autonomous_healing.drills.scenario import Planned
from autonomous_healing.drills.stage import Stage
from autonomous_healing.drills.traffic import Clients
from autonomous_healing.resilience import Clock

#: Each question is asked so often that every endpoint has 20 answers, which its soft timeout goes by.
ROUNDS = 20

#: Pairs of a direct and a proxied request of which the median difference is the overhead.
PAIRS = 60


class NotReady(RuntimeError):
    """A good provider was asked through the product and no good answer came."""


async def warm_up(clients: Clients, asked: Sequence[Question]) -> None:
    """Raises `NotReady`."""
    for n in range(ROUNDS):
        for m, question in enumerate(asked):
            planned = Planned(id=f"warm-{n}-{m}", at=0.0, question=question, allow=None)
            answer = await clients.ask(planned)
            if not answer.good or "healing-status" in answer.headers:
                raise NotReady(f"{question.ask}: status {answer.status}, {answer.body[:200]!r}")


async def overhead_ms(clients: Clients, stage: Stage, asked: Sequence[Question], clock: Clock) -> float:
    """Median of proxied less direct, in pairs one after the other."""
    plain = [question for question in asked if not question.symbols]
    differences = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for n in range(PAIRS):
            question = plain[n % len(plain)]
            start = clock.monotonic()
            await stage.ask_directly(session, question)
            direct = clock.monotonic() - start
            planned = Planned(id=f"pair-{n}", at=0.0, question=question, allow=None)
            differences.append((await clients.ask(planned)).seconds - direct)
    return 1000 * statistics.median(differences)
