"""Tokens in the configuration: their hashes only, and never a secret in what is told."""

from pathlib import Path

import pytest

from autonomous_healing.safety.options import Scope
from autonomous_healing.safety.tokens import hash_of, new_token
from autonomous_healing.settings import BadSettings, Settings, load_settings, to_yaml

TOKEN = new_token(bytes)  # the same each time, for it is part of the names of tests
HASH = hash_of(TOKEN)
GOOD = f"name: ann, hash: {HASH}, scopes: [operate]"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "healing_config.yaml"


def told(file: Path, text: str, **environ: str) -> list[str]:
    """The faults, a line each."""
    file.write_text(text)
    with pytest.raises(BadSettings) as bad:
        load_settings(file, environ)
    return [line.strip() for line in str(bad.value).splitlines()[1:]]


def test_nobody_has_a_token_and_this_machine_may_read_unless_told_otherwise() -> None:
    auth = Settings().auth
    assert (auth.tokens, auth.loopback_read, auth.rate_limit_per_minute) == ((), True, 300)


def test_a_token_is_known_by_its_hash(file: Path) -> None:
    file.write_text(f"auth: {{tokens: [{{{GOOD}, expires_at: 2027-01-01T00:00:00Z}}]}}")

    [one] = load_settings(file, {}).auth.tokens

    assert (one.name, one.hash, one.scopes) == ("ann", HASH, (Scope.OPERATE,))
    assert one.expires_at is not None
    assert one.expires_at.isoformat() == "2027-01-01T00:00:00+00:00"


def test_tokens_written_down_read_back_equal(file: Path) -> None:
    file.write_text(f"auth: {{tokens: [{{{GOOD}}}]}}")
    settings = load_settings(file, {})
    file.write_text(to_yaml(settings))

    assert load_settings(file, {}) == settings


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (f"auth: {{tokens: [{{name: ann, hash: {TOKEN}, scopes: [read]}}]}}", "auth.tokens.0.hash"),
        (f"auth: {{tokens: [{{{GOOD}, token: {TOKEN}}}]}}", "auth.tokens.0.token"),
        (f"auth: {{tokens: [{{name: {TOKEN}, hash: {HASH}, scopes: [read]}}]}}", "auth.tokens.0.name"),
        (f"auth: {{token: 'my {TOKEN}'}}", "auth.token"),
        (f"server: {{public_url: 'http://a/?t={TOKEN}'}}", "server.public_url"),
    ],
)
def test_a_token_itself_is_refused_wherever_it_stands_with_what_to_do(
    file: Path, text: str, path: str
) -> None:
    [line] = told(file, text)

    assert line.startswith(f"{path}: ")
    assert "autonomous-healing token create" in line
    assert "its hash only" in line
    assert TOKEN not in line


@pytest.mark.parametrize(
    "text",
    [
        f"auth: {{tokens: [{TOKEN}]}}",
        f"auth: {{tokens: {TOKEN}}}",
        f"auth: {TOKEN}",
        f"auth: {{token: {TOKEN}}}",
        "auth: {tokens: [{name: ann, hash: hunter2, scopes: [read]}]}",
        "auth: {tokens: [{name: ann, hash: [hunter2], scopes: [hunter2]}]}",
    ],
)
def test_nothing_that_may_be_a_token_is_repeated(file: Path, text: str) -> None:
    lines = told(file, text)

    assert lines
    assert not any(TOKEN in line or "hunter2" in line for line in lines)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (f"{{name: ann, hash: {HASH}, scopes: []}}", "auth.tokens.0.scopes"),
        (f"{{name: ann, hash: {HASH}, scopes: [reed]}}", "auth.tokens.0.scopes.0"),
        (f"{{name: Ann, hash: {HASH}, scopes: [read]}}", "auth.tokens.0.name"),
        (f"{{name: ann, hash: {HASH.upper()}, scopes: [read]}}", "auth.tokens.0.hash"),
        (f"{{{GOOD}, expires_at: 2027-01-01}}", "auth.tokens.0.expires_at"),
        (f"{{{GOOD}, expires_at: 2027-01-01T00:00:00}}", "auth.tokens.0.expires_at"),
        (
            f"{{{GOOD}}}, {{name: ann, hash: {hash_of('b')}, scopes: [read]}}",
            "auth: two tokens have the same name",
        ),
        (f"{{{GOOD}}}, {{name: bob, hash: {HASH}, scopes: [read]}}", "auth: two tokens have the same hash"),
    ],
)
def test_what_cannot_be_is_told_by_its_place(file: Path, entries: str, said: str) -> None:
    first, *_ = told(file, f"auth: {{tokens: [{entries}]}}")

    assert first.startswith(said)


def test_the_environment_adds_tokens_by_scope_and_keeps_only_their_hashes(file: Path) -> None:
    file.write_text(f"auth: {{tokens: [{{{GOOD}}}]}}")
    mine, yours = new_token(), new_token()

    settings = load_settings(
        file,
        {
            "HEALING_API_TOKEN_ADMIN": mine,
            "HEALING_API_TOKEN_READ_GRAFANA": yours,
            "HEALING_API_TOKEN_OPERATE": "",
        },
    )

    assert [(one.name, one.hash, one.scopes) for one in settings.auth.tokens] == [
        ("ann", HASH, (Scope.OPERATE,)),
        ("admin", hash_of(mine), (Scope.ADMIN,)),
        ("read_grafana", hash_of(yours), (Scope.READ,)),
    ]
    assert mine not in to_yaml(settings)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HEALING_API_TOKEN_READ", "hunter2", "holds no token as"),
        ("HEALING_API_TOKEN_ROOT", TOKEN, "goes on with a scope: read, operate, approve, admin"),
        ("HEALING_API_TOKEN_", TOKEN, "goes on with a scope"),
        ("HEALING_API_TOKEN_READER", TOKEN, "goes on with a scope"),
    ],
)
def test_a_token_of_the_environment_that_is_none_is_told_by_its_variable(
    file: Path, variable: str, value: str, said: str
) -> None:
    [line] = told(file, "", **{variable: value})

    assert line.startswith(f"{variable}: ")
    assert said in line
    assert value not in line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "my.machine.example"])
def test_open_to_other_machines_is_refused_while_nobody_has_a_token(file: Path, host: str) -> None:
    [line] = told(file, f"server: {{host: '{host}'}}")

    assert line.startswith("server.host: ")
    assert "token create" in line
    assert load_settings(file, {"HEALING_API_TOKEN_READ": TOKEN}).server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_alone_needs_no_token(file: Path, host: str) -> None:
    file.write_text(f"server: {{host: '{host}'}}")

    assert load_settings(file, {}).auth.tokens == ()


def test_nobody_at_all_may_read_is_refused(file: Path) -> None:
    [line] = told(file, "auth: {loopback_read: false}")

    assert line.startswith("auth.loopback_read: leaves nobody")


@pytest.mark.parametrize("name", ["*", "http://a", "a:80", "a/b", "", "[::1]"])
def test_an_allowed_host_is_a_name_without_anything_around_it(file: Path, name: str) -> None:
    [line] = told(file, f"server: {{allowed_hosts: ['{name}']}}")

    assert line.startswith("server.allowed_hosts.0: ")
