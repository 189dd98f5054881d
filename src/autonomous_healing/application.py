"""The one place where everything meets: wiring, and the order of starting and stopping."""

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from autonomous_healing.agents import (
    AgentStatus,
    AlertingAgent,
    Background,
    Belt,
    Bookkeeper,
    Chore,
    DiagnosedCall,
    DiagnosisAgent,
    HealingCoordinator,
    LearningAgent,
    MissedReports,
    MonitoringAgent,
    Orchestrator,
    ReportWriter,
    Worker,
    build_targets,
)
from autonomous_healing.agents.alerting import dead_agent
from autonomous_healing.agents.store import AgentStore
from autonomous_healing.agents.watches import build_watches
from autonomous_healing.alerts import AlertManager, AlertStore, LogChannel, WebChannel
from autonomous_healing.dashboard import Dashboard, Rooms
from autonomous_healing.database import Database, DatabaseAway, EventWriter, Spool
from autonomous_healing.endpoint_healing.assembly import (
    Mind,
    build_healer,
    build_keeper,
    build_parts,
    secrets_of,
)
from autonomous_healing.endpoint_healing.caching.store import CacheStore
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.catalog import build_endpoints
from autonomous_healing.endpoint_healing.circuit_store import CircuitStore
from autonomous_healing.endpoint_healing.controls import Controls
from autonomous_healing.endpoint_healing.freshness import MarketHours, Sessions
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath
from autonomous_healing.endpoint_healing.kept_copies import KeptCopies
from autonomous_healing.endpoint_healing.limits_store import build_books
from autonomous_healing.endpoint_healing.observations import CountedSoon
from autonomous_healing.endpoint_healing.probe import Prober
from autonomous_healing.endpoint_healing.remembrance import Remembrance
from autonomous_healing.endpoint_healing.rollups import Rollups
from autonomous_healing.endpoint_healing.store import EndpointStore
from autonomous_healing.healing import Journal
from autonomous_healing.learning import LearningStore, NestedLearner
from autonomous_healing.proxy import Door, HealingProxy, ProxyServer, RawSources, Ways, build_shared_cache
from autonomous_healing.resilience import Clock, SystemClock, uuid7_from
from autonomous_healing.safety import AuditStore, AuditTrail, FailSafe, Guard
from autonomous_healing.settings import Settings
from autonomous_healing.settings.doors import build_door
from autonomous_healing.wire import require_free
from autonomous_healing.workers import Attempts, Crew, Desk, Orders

#: Seconds that each part of a stop may take before it is cut short.
LINE_SECONDS, FOLLOWER_SECONDS, DRAIN_SECONDS = 4.0, 3.0, 5.0

#: Between two counts of what the healthy path saw.
OBSERVED_SECONDS = 0.1

#: Between two looks at which followers of the journal fell behind.
MISSED_SECONDS = 60.0


class Application:
    """The whole product in one event loop: `start`, then `stop`."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        hours: MarketHours,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._new_id = uuid7_from(self._clock)
        self.started_at = self._clock.now()
        self._missing = ["database", "agents", "proxy"]
        self._recalled = False
        self._stack = AsyncExitStack()
        self._build_ground(environ)
        self._build_healing(environ, hours)
        self._build_alerts()
        self._build_agents()
        self._build_doors(hours)

    async def start(self) -> None:
        """Raises `PortTaken`, and `DatabaseAway` where the settings require the database."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """The reverse of the start; safe to call twice."""
        await self._stack.aclose()

    def statuses(self) -> list[AgentStatus]:
        """Every agent and follower, as measured."""
        crews = (self._line, self._followers, self._ground, self._beside)
        return [status for crew in crews for status in crew.statuses()]

    def missing(self) -> Sequence[str]:
        """What is not up yet."""
        return tuple(self._missing)

    def _build_ground(self, environ: Mapping[str, str]) -> None:
        options = self.settings.database
        self.database = Database(options, self._clock, environ.get("HEALING_DB_PASSWORD", ""))
        self._spool = Spool(Path(options.spool_dir), options.spool_max_mb * 1_048_576)
        self._stack.callback(self._spool.close)
        self.writer = EventWriter(self.database, self._spool, self._clock, options.queue_max)
        self.store = EndpointStore(self.database, self._clock)
        self._cache_store = CacheStore(self.database, self._clock)
        self.audit = AuditTrail(AuditStore(self.database))
        self.journal = Journal()

    def _build_healing(self, environ: Mapping[str, str], hours: MarketHours) -> None:
        settings, clock = self.settings, self._clock
        self.endpoints = build_endpoints(settings.sources)
        self.secrets = secrets_of(settings.sources, environ)
        self.parts = build_parts(
            self.endpoints,
            settings.sources,
            self.secrets,
            settings.healing,
            hours,
            clock,
            settings.server.body_stall_seconds,
        )
        self.keys = build_keeper(self.parts, self.database, environ, clock)
        self.quotas = build_books(self.parts, self.database, Path(settings.database.spool_dir), clock)
        guard = Guard(settings.safety, FailSafe(settings.safety.mode))
        self.learner = NestedLearner(settings.learning, random.Random(self._rng.random()))
        mind = Mind(guard=guard, learner=self.learner, learning=settings.learning)
        admission = self.parts.admission
        self._remembrance = Remembrance(
            self.endpoints,
            admission,
            self.store,
            CircuitStore(self.database, clock),
            Rollups(self.database, self.endpoints, admission.window, clock),
        )
        keep = settings.healing.cache.persist
        store = self._cache_store
        self.shared_cache = build_shared_cache(settings.healing.cache, clock, store if keep else None)
        self._copies = KeptCopies(self.parts.cache, self.parts.fetcher, clock, store) if keep else None
        self.healer = build_healer(
            self.parts, settings.healing, mind, self.journal, clock, self._rng, self._copies
        )

    def _build_alerts(self) -> None:
        self.web = WebChannel()
        number = itertools.count(1)
        self.alerts = AlertManager(
            clock=self._clock,
            settings=self.settings.alerts,
            new_number=lambda: next(number),
            channels=(LogChannel(), self.web),
        )
        self._alert_store = AlertStore(self.database)

    def _build_agents(self) -> None:
        settings, clock, parts = self.settings, self._clock, self.parts
        probed: Belt[FailedCall] = Belt("probed", key=lambda failed: failed.call.endpoint.place)
        diagnosed: Belt[DiagnosedCall] = Belt("diagnosed", key=lambda item: item.diagnosis.cluster)
        prober = Prober(parts.fetcher, clock, self._new_id, settings.healing.request_budget)
        targets = build_targets(settings.monitoring, self.endpoints)
        self._monitoring = MonitoringAgent(
            targets, prober, parts.admission, probed, settings.monitoring, clock, self._rng
        )
        diagnosis = DiagnosisAgent(probed, diagnosed, self.healer, clock)
        coordinator = HealingCoordinator(diagnosed, self.healer, clock)
        self._learning = LearningAgent(
            self.journal.follow("learning"), self.learner, LearningStore(self.database), clock
        )
        self.report_writer = ReportWriter(self.writer, clock)
        self.journal.write_to(self.report_writer.take)
        alerting = AlertingAgent(
            self.journal.follow("alerting"), self.alerts, parts.admission, self.endpoints, clock
        )
        self._line = self._crew(self._monitoring, diagnosis, coordinator)
        self._followers = self._crew(self._learning, self.report_writer, alerting)
        self._missed = MissedReports(self.journal, (self._learning, alerting))
        self._bookkeeper = Bookkeeper(self._chores(), clock)

    def _build_doors(self, hours: MarketHours) -> None:
        settings, clock = self.settings, self._clock
        self.dashboard = Dashboard(
            Rooms(
                endpoints=self.endpoints,
                admission=self.parts.admission,
                healer=self.healer,
                journal=self.journal,
                learner=self.learner,
                alerts=self.alerts,
                web=self.web,
                agents=self.statuses,
                database=self.database,
                audit=self.audit,
                controls=Controls(self.parts, self.shared_cache.memory, self._copies),
                events=lambda: self.writer.counts,
                spool_bytes=lambda: self._spool.size,
                timings=lambda: self.healthy_path.timings(),
                cache_counts=self._cache_counts,
                missing=self.missing,
                clock=clock,
                started_at=self.started_at,
            ),
            settings.server,
            settings.auth,
        )
        self.proxy = ProxyServer(build_door(settings.server), self._ways())
        self._door: Door = build_door(settings.server)
        self._hours = hours
        self.workers = self._build_workers() if self._door.shared else None
        beside = [Background("workers", self.workers.run, clock)] if self.workers else []
        self._beside = self._crew(*beside)
        self._ground = self._crew(
            Background("database", self.database.run, clock),
            Background("event_writer", self.writer.run, clock),
            Background("cache_store", self._cache_store.run, clock),
            Background("observations", self._count_observations, clock),
            Background("dashboard_live", self.dashboard.run, clock),
            Background("punctuality", self.parts.fetcher.blaming.punctuality.run, clock),
            *build_watches(self.alerts, self.parts, self.keys, settings.sources, clock),
            self._bookkeeper,
        )

    def _ways(self) -> Ways:
        settings, parts, clock = self.settings, self.parts, self._clock
        path = HealthyPath(parts.fetcher, parts.upstream, parts.cache, parts.observations, clock)
        self.healthy_path = path
        deadline, most = settings.healing.request_deadline, settings.server.buffer_max_bytes
        windows = CountedSoon(parts.admission.window, parts.observations)
        self.questions = HealingProxy(parts.endpoints, self.healer, settings.healing, clock, self._new_id)
        return Ways(
            proxy=self.questions,
            path=path,
            fetcher=parts.fetcher,
            views=self.dashboard.documents(),
            passthroughs=RawSources(parts, windows, clock, self.shared_cache, deadline, most).build,
        )

    def _build_workers(self) -> Crew:
        settings, parts, clock = self.settings, self.parts, self._clock
        orders = Orders(
            module="autonomous_healing.commands.worker",
            settings=settings.model_dump_json(by_alias=True).encode(),
            secrets=self.secrets,
            sessions=self._hours.spans if isinstance(self._hours, Sessions) else None,
        )
        desk = Desk(
            self.endpoints,
            parts.admission,
            parts.cache,
            self.healthy_path,
            self.questions,
            clock,
            settings.server.workers,
        )
        attempts = Attempts(self.proxy, parts.admission, clock)
        crew = Crew(orders, self._door, self.proxy, desk, attempts, clock, self.shared_cache)
        self.keys.changed = lambda source: crew.tell_keys(source, self.keys.secrets(source))
        return crew

    async def _count_observations(self) -> None:
        while True:
            await self._clock.sleep(OBSERVED_SECONDS)
            self.healthy_path.count()

    def _cache_counts(self) -> dict[str, dict[str, int]]:
        return {"copies": self.parts.cache.counts(), "raw": asdict(self.shared_cache.counts)}

    def _crew(self, *workers: Worker) -> Orchestrator:
        return Orchestrator(workers, self.settings.supervision, self._clock, self._tell_of_dead_agent)

    def _tell_of_dead_agent(self, agent: AgentStatus) -> None:
        self.alerts.see(dead_agent(agent, self._clock.now()))

    def _chores(self) -> list[Chore]:
        agents, memory = AgentStore(self.database), self._remembrance
        beat = self.settings.supervision.heartbeat

        async def save_statuses() -> None:
            await agents.save(self.statuses())

        return [
            Chore("recall", 1.0, self._recall),
            Chore("alerts", 1.0, self._save_alerts),
            Chore("health", 10.0, memory.save_health),
            *([Chore("copies", 1.0, self._copies.flush)] if self._copies else []),
            Chore("metrics", 60.0, memory.rollups.save),
            Chore("metrics_pruned", 3600.0, memory.rollups.prune),
            Chore("breakers", 5.0, memory.save_circuits),
            Chore("keys", 5.0, self.keys.sync),
            Chore("quotas", 5.0, self.quotas.save),
            Chore("agents", beat, save_statuses),
            Chore("missed_reports", MISSED_SECONDS, self._missed.look),
            Chore("audit_head", 60.0, self.audit.note_head),
            Chore("learning", self.settings.learning.snapshot_interval, self._learning.save),
        ]

    async def _start(self) -> None:
        await self.database.start()
        self._stack.push_async_callback(self.database.stop)
        with suppress(DatabaseAway):  # the bookkeeper goes on trying
            await self._recall()
        self._missing.remove("database")
        await self.parts.upstream.start()
        self._stack.push_async_callback(self.parts.upstream.stop)
        self._ground.start()
        self._stack.push_async_callback(self._stop_ground)
        await self.dashboard.start()
        self._stack.push_async_callback(self.dashboard.stop)
        self._followers.start()
        self._stack.push_async_callback(self._stop_followers)
        self._line.start()
        self._stack.push_async_callback(self._stop_line)
        self._missing.remove("agents")
        await self._open_doors()
        self._missing.remove("proxy")

    async def _open_doors(self) -> None:
        """The proxy's own first: the other processes listen where it does."""
        door, workers = self._door, self.workers
        if workers is None:
            await self.proxy.start()
            self._stack.push_async_callback(self.proxy.stop)
            return
        for port in filter(None, (door.port, *(one.source.port for one in self.endpoints))):
            await require_free(door.host, port)
        await self.proxy.start()
        self._stack.push_async_callback(self._close_doors, workers)
        await workers.open(self.settings.server.workers - 1, self.parts.fetcher.max_answer)
        self._beside.start()
        await workers.come_up()

    async def _close_doors(self, workers: Crew) -> None:
        """What the others still ask of this process they get, until they have ended."""
        await asyncio.gather(workers.drain(), self.proxy.drain())
        await self._beside.cancel()
        await workers.close()
        await self.proxy.stop()

    async def _stop_line(self) -> None:
        """No more probes; what is on the belts is still worked off."""
        self._monitoring.stop()
        await self._line.wait(LINE_SECONDS)
        await self.healer.stop()

    async def _stop_followers(self) -> None:
        self.journal.close()
        self.report_writer.stop()
        await self._followers.wait(FOLLOWER_SECONDS)

    async def _stop_ground(self) -> None:
        try:
            self.healthy_path.count()
            await self._bookkeeper.save_due(everything=True)
        finally:  # whatever became of that, the events are kept
            await self._cache_store.flush()
            await self._cache_store.stop()
            await self._ground.cancel()
            self.healthy_path.count()
            await self.writer.drain(DRAIN_SECONDS)

    async def _recall(self) -> None:
        """Take up what was known before the last stop; raises `DatabaseAway`, to be tried again."""
        if self._recalled:
            return
        await self.keys.sync()
        await self.quotas.recall()
        await self._learning.load()
        await self._remembrance.load()
        self.alerts.restore(await self._alert_store.load_open())
        self._recalled = True

    async def _save_alerts(self) -> None:
        if changed := self.alerts.changed():
            await self._alert_store.save(changed)
            self.alerts.mark_saved(changed)
