"""A wrong configuration is told in full: where, what is there, what may be; and never a secret."""

from pathlib import Path

import pytest

from autonomous_healing.settings import BadSettings, load_settings

SECRET = "hunter2"


def told(tmp_path: Path, text: str, **environ: str) -> list[str]:
    """The faults, one line each."""
    file = tmp_path / "healing_config.yaml"
    file.write_text(text)
    with pytest.raises(BadSettings) as bad:
        load_settings(file, environ)
    head, *lines = str(bad.value).splitlines()
    assert head == f"{file}: {len(lines)} to mend" or head.startswith("environment: ")
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("servr: {}", "servr: unknown key; did you mean 'server'?"),
        ("server: {proxy_prot: 1}", "server.proxy_prot: unknown key; did you mean 'proxy_port'?"),
        ("database: {schema_name: x}", "database.schema_name: unknown key; did you mean 'schema'?"),
        ("healing: {breaker: {rato: 1}}", "healing.breaker.rato: unknown key; did you mean 'ratio'?"),
        (
            "sources: {fred_api: {kees: []}}",
            "sources.fred_api.kees: unknown key; did you mean 'keys'?",
        ),
        (
            "monitoring: {endpoints: [{source: fred_api, endpoint: /series, priorty: low}]}",
            "monitoring.endpoints.0.priorty: unknown key; did you mean 'priority'?",
        ),
        ("logging: {zzz: 1}", "logging.zzz: unknown key; known are dir, format, keep, level, rotate_mb"),
        (
            "healing: {breaker: {ratio: 2}}",
            "healing.breaker.ratio: 2: input should be less than or equal to 1 (allowed: > 0 and <= 1)",
        ),
        (
            "learning: {inner_decay: 0.1}",
            "learning.inner_decay: 0.1: input should be greater than or equal to 0.5"
            " (allowed: >= 0.5 and < 1.0)",
        ),
        (
            "healing: {cache: {kinds: {quote: {fresh: -1}}}}",
            "healing.cache.kinds.quote.fresh: -1: input should be greater than or equal to 0"
            " (allowed: >= 0 and <= 86400)",
        ),
        (
            "sources: {fred_api: {quota: [{window: 0, limit: 1}]}}",
            "sources.fred_api.quota.0.window: 0: is none of second, minute, hour, day, month,"
            " nor seconds up to 2678400",
        ),
        (
            "server: {proxy_port: '8080'}",
            "server.proxy_port: '8080': input should be a valid integer (allowed: >= 0 and <= 65535)",
        ),
        (
            "healing: {enable_auto_healing: 1}",
            "healing.enable_auto_healing: 1: input should be a valid boolean",
        ),
        (
            "healing: {allow: [exact, worst]}",
            "healing.allow.1: 'worst': input should be"
            " 'exact', 'equivalent', 'stale', 'reduced' or 'substitute'",
        ),
        ("server: 5", "server: 5: input should be an object"),
        ("server:", "server: None: input should be an object"),
        (
            "monitoring: {endpoints: [{source: fred_api}]}",
            "monitoring.endpoints.0.endpoint: field required",
        ),
    ],
)
def test_a_fault_tells_its_path_its_value_and_what_may_be(tmp_path: Path, text: str, said: str) -> None:
    assert told(tmp_path, text) == [said]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = "server: {proxy_port: -1, hots: x}\nhealing: {breaker: {ratio: 2, window: 0}}\nalrts: {}\n"

    said = told(tmp_path, text, HEALING__SAFETY__MODE="odd")

    assert sorted(line.split(": ")[0] for line in said) == [
        "alrts",
        "healing.breaker.ratio",
        "healing.breaker.window",
        "safety.mode",
        "server.hots",
        "server.proxy_port",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"sources: {{fred_api: {{keys: [{SECRET}]}}}}",
        f"sources: {{fred_api: {{keys: {SECRET}}}}}",
        f"sources: {{fred_api: {{keys: {{one: {SECRET}}}}}}}",
        f"sources: {{fred_api: {SECRET}}}",
        f"sources: {SECRET}",
        f"sources: {{fred_api: {{api_key: {SECRET}}}}}",
        f"fred_api_key: {SECRET}",
        f"database: {{mode: external, dsn: 'postgresql://u:{SECRET}@h/d'}}",
        f"database: {{dsn: 'postgresql://u:{SECRET}@h/d'}}",
        f"database: {{dsn: ['postgresql://u:{SECRET}@h/d']}}",
        f"database: {{dsn: 'postgresql://u:{SECRET}@h/d', pool_min: 9, pool_max: 8}}",
        f"database: {{dsn: 'postgresql://u:{SECRET}@h/d",
        f"database:\n  dsn: postgresql://u:{SECRET}@h/d: x",
        f"database:\n  dsn: a\n  dsn: {SECRET}",
        f"database:\n  dsn: {SECRET}\n dsn: x",
        f"server: {{public_url: 'http://u:{SECRET}@h/a b'}}",
        f"monitoring: {{endpoints: [{{source: fred_api, params: {{api_key: {SECRET}}}}}]}}",
    ],
)
def test_no_fault_repeats_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    said = told(tmp_path, text)
    assert len(said) >= 1
    assert not any(SECRET in line for line in said)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HEALING__DATABASE__DSN", f'"postgresql://u:{SECRET}@h/d'),
        ("HEALING__DATABASE__DSN", f"postgresql://u:{SECRET}@h/d"),
        ("HEALING__SOURCES__FRED_API__KEYS", f'["{SECRET}"]'),
        ("HEALING__SOURCES__FRED_API__KEYS", SECRET),
        ("HEALING__SOURCES__FRED_API", SECRET),
        ("HEALING__FRED_API_KEY", SECRET),
    ],
)
def test_no_fault_repeats_a_secret_of_the_environment(tmp_path: Path, variable: str, value: str) -> None:
    said = told(tmp_path, "", **{variable: value})
    assert len(said) >= 1
    assert variable in said[0]
    assert not any(SECRET in line for line in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("database: {mode: external}", "database: mode external needs a dsn"),
        ("database: {dsn: 'postgresql://h/d'}", "database: dsn has no effect in mode embedded"),
        ("database: {pool_min: 9}", "database: pool_min is above pool_max"),
        ("sources: {fred: {hosts: ['http://h']}}", "sources.fred: unknown source; did you mean 'fred_api'?"),
        (
            "monitoring: {endpoints: [{source: yahoo, endpoint: /chart}]}",
            "monitoring.endpoints.0.source: unknown source; did you mean 'yahoo_finance'?",
        ),
        (
            "monitoring: {endpoints: [{source: fred_api, endpoint: /serie}]}",
            "monitoring.endpoints.0.endpoint: unknown endpoint; did you mean '/series'?",
        ),
        (
            "monitoring: {endpoints: [{source: fred_api, endpoint: /series, check_interval: 5}]}",
            "monitoring.endpoints.0.check_interval: 5.0 is outside 30.0 to 600.0",
        ),
        (
            "monitoring: {endpoints: [{source: yahoo_finance, endpoint: /chart}]}",
            "monitoring.endpoints.0.params: the parameter 'symbol' is missing",
        ),
        (
            "monitoring: {endpoints: [{source: fred_api, endpoint: /series, params: {from: '{today-x}'}}]}",
            "monitoring.endpoints.0.params.from: '{today-x}' is no day; {today} and {today-5} are",
        ),
        (
            "monitoring: {endpoints: [{source: fred_api, endpoint: /series, params: {to: '{today-99999}'}}]}",
            "monitoring.endpoints.0.params.to: '{today-99999}' is no day; {today} and {today-5} are",
        ),
        (
            "monitoring: {intervals_by_priority: {critical: 5}}",
            "monitoring.intervals_by_priority.critical: 5.0 is outside 30.0 to 600.0",
        ),
        ("healing: {allow_max: [exact, stale]}", "healing.allow: 'equivalent' is not in allow_max"),
        ("healing: {soft_timeout: {min: 6}}", "healing.soft_timeout.min: 6.0 is above max"),
        ("healing: {breaker: {open_base: 301}}", "healing.breaker.open_base: 301.0 is above open_cap"),
        (
            "healing: {concurrency: {max: 4}}",
            "healing.concurrency.start: 8 is not between min and max",
        ),
        (
            "healing: {concurrency: {min: 9}}",
            "healing.concurrency.start: 8 is not between min and max",
        ),
        ("healing: {request_budget: 0.2}", "healing.local_reserve: leaves nothing of request_budget"),
        ("healing: {window: {degraded: 0.3}}", "healing.window: degraded, critical and failed must rise"),
        (
            "healing: {plausibility: {max_price: 0.001}}",
            "healing.plausibility.min_price: is not below max_price",
        ),
        (
            "healing: {strategies: {rotate_key: {}}}",
            "healing.strategies.rotate_key: unknown strategy; did you mean 'rotate_api_key'?",
        ),
        ("server: {proxy_port: 8888}", "server.dashboard_port: 8888 is the proxy's port too"),
    ],
)
def test_settings_that_contradict_each_other_are_told(tmp_path: Path, text: str, said: str) -> None:
    assert told(tmp_path, text) == [said]


def test_several_contradictions_are_told_at_once(tmp_path: Path) -> None:
    text = "monitoring: {interval_min: 500, interval_max: 400, endpoints: []}\nserver: {proxy_port: 8888}\n"

    paths = {line.split(": ")[0] for line in told(tmp_path, text)}

    assert paths >= {"monitoring.interval_min", "server.dashboard_port"}


@pytest.mark.parametrize(
    "text",
    [
        "server: {proxy_port: 0, dashboard_port: 0}",
        "monitoring: {interval_min: 5, endpoints: []}",
        "healing: {allow: [], allow_max: []}",
        "healing: {local_reserve: 0}",
        "healing: {strategies: {rotate_api_key: {enabled: false}}}",
        "server: {drain_seconds: 5}",
    ],
)
def test_what_can_stand_together_is_accepted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "healing_config.yaml"
    file.write_text(text)
    assert load_settings(file, {}) is not None


def test_what_cannot_stand_together_is_told_beside_what_is_wrong_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "healing_config.yaml"
    file.write_text(
        "healing: {request_budget: -1, soft_timeout: {min: 9.0}, allow: [stale], allow_max: [exact]}\n"
        "sources: {yahoo: {hosts: ['http://x']}}\n"
    )

    with pytest.raises(BadSettings) as told:
        load_settings(file, {})

    assert {fault.path for fault in told.value.faults} == {
        "healing.request_budget",
        "healing.soft_timeout.min",
        "healing.allow",
        "sources.yahoo",
    }
