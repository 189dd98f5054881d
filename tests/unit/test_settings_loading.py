"""Defaults, file, environment, command line: the later one wins, key by key."""

from pathlib import Path
from typing import Any

import pytest

from autonomous_healing.settings import BadSettings, Settings, load_settings, to_yaml, write_if_absent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "healing_config.yaml"


def faults_of(file: Path | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(BadSettings) as bad:
        load_settings(file, environ or {})
    return str(bad.value)


def test_without_a_file_the_defaults_count() -> None:
    assert load_settings(None, {}) == Settings()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_leaves_the_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    assert load_settings(file, {}) == Settings()


def test_a_file_that_is_not_there_is_written_with_commented_defaults(tmp_path: Path) -> None:
    file = tmp_path / "not" / "yet" / "healing_config.yaml"

    write_if_absent(file)

    assert file.read_text() == to_yaml(Settings())
    assert load_settings(file, {}) == Settings()


def test_a_file_that_is_there_is_never_written_over(file: Path) -> None:
    file.write_text("server: {proxy_port: 7}\n")

    write_if_absent(file)

    assert file.read_text() == "server: {proxy_port: 7}\n"


def test_only_looking_at_a_file_that_is_not_there_writes_none(tmp_path: Path) -> None:
    file = tmp_path / "mistyped.yaml"

    with pytest.raises(BadSettings, match="cannot be read"):
        load_settings(file, {})
    assert not file.exists()


def test_any_settings_written_down_read_back_equal(file: Path) -> None:
    file.write_text(
        "server: {proxy_port: 7}\n"
        "sources: {yahoo_finance: {hosts: ['http://[::1]:8/a:b'], allow_private: true,"
        " quota: [{window: 1.5, limit: 2}]}}\n"
        "monitoring: {endpoints: [{source: fred_api, endpoint: /series, params: {q: 'a: b # c'}}]}\n"
        "healing: {strategies: {rotate_api_key: {enabled: false}}, allow: [exact]}\n"
    )
    settings = load_settings(file, {})
    file.write_text(to_yaml(settings))

    assert settings != Settings()
    assert load_settings(file, {}) == settings


def test_a_mapping_of_the_file_is_merged_and_a_list_replaced(file: Path) -> None:
    file.write_text(
        "healing: {breaker: {ratio: 0.9}, allow: [exact]}\nsources: {fred_api: {keys: [ONLY_ONE]}}\n"
    )
    settings, usual = load_settings(file, {}), Settings()

    assert settings.healing.breaker == usual.healing.breaker.model_copy(update={"ratio": 0.9})
    assert settings.healing.allow == ("exact",)
    assert settings.sources.keys() == usual.sources.keys()
    assert settings.sources["fred_api"].keys == ("ONLY_ONE",)
    assert settings.sources["fred_api"].hosts == usual.sources["fred_api"].hosts


@pytest.mark.parametrize(
    ("variable", "value", "path", "read"),
    [
        ("HEALING__SERVER__PROXY_PORT", "7", "server.proxy_port", 7),
        ("HEALING__HEALING__BREAKER__RATIO", "1", "healing.breaker.ratio", 1.0),
        ("HEALING__HEALING__ENABLE_AUTO_HEALING", "false", "healing.enable_auto_healing", False),
        ("HEALING__HEALING__ALLOW", '["exact"]', "healing.allow", ("exact",)),
        ("HEALING__DATABASE__SCHEMA", "other", "database.schema_name", "other"),
        ("HEALING__SAFETY__MODE", "observe_only", "safety.mode", "observe_only"),
        ("HEALING__LOGGING__DIR", '""', "logging.dir", ""),
    ],
)
def test_any_key_can_be_set_by_environment(variable: str, value: str, path: str, read: Any) -> None:
    found: Any = load_settings(None, {variable: value})
    for part in path.split("."):
        found = getattr(found, part)
    assert found == read


def test_a_source_can_be_set_by_environment() -> None:
    settings = load_settings(None, {"HEALING__SOURCES__FRED_API__ENABLED": "no"})
    assert [name for name, source in settings.sources.items() if not source.enabled] == ["fred_api"]


def test_environment_beats_the_file_and_the_command_line_beats_both(file: Path) -> None:
    file.write_text("server: {proxy_port: 1, dashboard_port: 11, drain_seconds: 3}\n")
    environ = {"HEALING__SERVER__PROXY_PORT": "2", "HEALING__SERVER__DASHBOARD_PORT": "12"}

    server = load_settings(file, environ, server__proxy_port=3, server__dashboard_port=None).server

    assert (server.proxy_port, server.dashboard_port, server.drain_seconds) == (3, 12, 3.0)


def test_variables_of_others_are_not_ours() -> None:
    assert load_settings(None, {"HEALING_DB_PASSWORD": "x", "FRED_API_KEY": "y", "PATH": "/"}) == Settings()


def test_a_fault_set_by_environment_names_the_variable(file: Path) -> None:
    file.write_text("healing: {breaker: {ratio: 7}}\n")
    said = faults_of(file, {"HEALING__FOO__BAR": "1", "HEALING__SERVER__PROXY_PORT": "-1"})

    lines = said.splitlines()
    assert len(lines) == 4
    [unknown] = [
        line for line in lines if line.startswith("  foo: unknown key; known are alerts, auth, database")
    ]
    assert unknown.endswith("(set by HEALING__FOO__BAR)")
    [port] = [line for line in lines if line.startswith("  server.proxy_port: -1: ")]
    assert port.endswith("(set by HEALING__SERVER__PROXY_PORT)")
    [ratio] = [line for line in lines if line.startswith("  healing.breaker.ratio: 7: ")]
    assert "set by" not in ratio


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {proxy_port: 1", "(whole file): not YAML: line 1: "),
        ("server:\n  proxy_port: 1\n  proxy_port: 2\n", "line 3: the key 'proxy_port' is given twice"),
        ("? [a, b]\n: 1\n", "line 1: this is no key"),
        ("a: " + "[" * 1500, "nested too deeply"),
        ("- server\n", "(whole file): sections are expected, such as `server:`"),
        ("server", "(whole file): sections are expected"),
        ("a: \x00", "(whole file): not YAML: "),
    ],
)
def test_a_file_that_makes_no_sense_as_a_whole_is_told_with_its_line(
    file: Path, text: str, said: str
) -> None:
    file.write_text(text)
    assert said in faults_of(file)


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    foreign = tmp_path / "latin1.yaml"
    foreign.write_bytes(b"server: \xe9\n")

    assert faults_of(tmp_path).startswith(f"{tmp_path}: 1 to mend\n  (whole file): cannot be read: ")
    assert "cannot be read: 'utf-8'" in faults_of(foreign)
    assert "cannot be read: " in faults_of(foreign / "below a file.yaml")
