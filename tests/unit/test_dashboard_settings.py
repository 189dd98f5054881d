"""What may be set about the servers."""

import pytest
from pydantic import ValidationError

from autonomous_healing.dashboard import ServerSettings
from autonomous_healing.settings.doors import build_door


def test_listens_on_this_machine_only_unless_told_otherwise() -> None:
    settings = ServerSettings()
    assert (settings.host, settings.dashboard_port, settings.proxy_port) == ("127.0.0.1", 8888, 5002)


def test_takes_as_much_as_the_spec_says_unless_told_otherwise() -> None:
    settings = ServerSettings()
    assert settings.workers == 1
    assert (settings.max_body_bytes, settings.buffer_max_bytes) == (1_048_576, 1_048_576)
    assert (settings.max_connections, settings.max_connections_per_address) == (10_000, 4096)
    assert settings.max_in_flight == 2048
    assert (settings.head_seconds, settings.body_stall_seconds, settings.idle_seconds) == (10.0, 30.0, 75.0)


def test_every_setting_has_a_sentence() -> None:
    fields = ServerSettings.model_fields.values()
    assert [field for field in fields if not (field.description or "").endswith(".")] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"dashboard_port": 70_000},
        {"dashboard_port": "8888"},
        {"host": ""},
        {"public_url": "localhost:8888"},
        {"public_url": "http://[half"},
        {"drain_seconds": -1.0},
        {"colour": "red"},
        {"workers": 0},
        {"workers": 65},
        {"max_body_bytes": -1},
        {"buffer_max_bytes": 1000},
        {"max_connections": 0},
        {"max_connections_per_address": 0},
        {"max_in_flight": 0},
        {"head_seconds": 0.0},
        {"body_stall_seconds": 0.0},
        {"idle_seconds": 0.0},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ServerSettings.model_validate(wrong)


def test_its_own_public_and_allowed_names_are_answered_for() -> None:
    settings = ServerSettings(
        host="192.0.2.7",
        public_url="https://status.example.org:444/health-dashboard",
        allowed_hosts=("product", "2001:db8::1"),
    )
    assert settings.own_hosts.names == {"192.0.2.7", "status.example.org", "product", "2001:db8::1"}


def test_the_proxy_s_door_answers_for_the_same_names() -> None:
    settings = ServerSettings(host="192.0.2.7", allowed_hosts=("product",))
    assert build_door(settings).hosts.names == {"192.0.2.7", "product", "localhost"}
