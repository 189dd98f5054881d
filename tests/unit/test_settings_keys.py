"""What is wrong with how a source's keys are to be used is told with its path."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.endpoints import Auth
from autonomous_healing.settings import BadSettings, load_settings


def told(tmp_path: Path, sources: Mapping[str, object]) -> list[str]:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"sources": sources}))
    try:
        load_settings(file, {})
    except BadSettings as bad:
        return [str(fault).removeprefix("sources.") for fault in bad.faults]
    return []


NOT_ALLOWED = "goes round a limit, and terms_allow_rotation does not say that this is allowed"


@pytest.mark.parametrize(
    ("source", "changes", "said"),
    [
        ("polygon_io", {"rotate_on": ["limited"]}, f"polygon_io.rotate_on: 'limited' {NOT_ALLOWED}"),
        (
            "polygon_io",
            {"rotate_on": ["invalid", "drained"]},
            f"polygon_io.rotate_on: 'drained' {NOT_ALLOWED}",
        ),
        ("polygon_io", {"rotate_on": ["limited", "drained"], "terms_allow_rotation": True}, None),
        ("fred_api", {"terms_allow_rotation": False}, f"fred_api.rotate_on: 'limited' {NOT_ALLOWED}"),
        ("fred_api", {"terms_allow_rotation": False, "rotate_on": ["invalid"]}, None),
        ("polygon_io", {"auth": {"in": "header", "name": "Authorization"}}, None),
        ("polygon_io", {"auth": {"in": "header", "name": "X-Api-Key"}}, None),
        (
            "polygon_io",
            {"auth": {"in": "header", "name": "Host"}},
            "polygon_io.auth.name: 'Host' cannot be the name of a header that carries a key",
        ),
        (
            "polygon_io",
            {"auth": {"in": "header", "name": "X Key"}},
            "polygon_io.auth.name: 'X Key' cannot be the name of a header that carries a key",
        ),
        (
            "polygon_io",
            {"auth": {"in": "query", "name": ""}},
            "polygon_io.auth.name: is missing: what the query calls the key",
        ),
        (
            "polygon_io",
            {"auth": {"in": "path", "name": ""}},
            "polygon_io.auth.in: 'path' cannot be: the path of polygon_io has no place for the key",
        ),
        (
            "exchange_rate_api",
            {"auth": {"in": "query", "name": "key"}},
            "exchange_rate_api.auth.in: 'query' cannot be: the path of exchange_rate_api holds the key",
        ),
        (
            "exchange_rate_api",
            {"auth": {"in": "path", "name": "key"}},
            "exchange_rate_api.auth.name: has no effect: in is 'path'",
        ),
        (
            "yahoo_finance",
            {"keys": ["YAHOO_KEY"]},
            "yahoo_finance.keys: have no effect: auth.in is 'none'",
        ),
        (
            "shop",
            {"kind": "raw", "hosts": ["https://a.example"], "terms_allow_rotation": True},
            "shop.terms_allow_rotation: a raw source has no keys",
        ),
        (
            "shop",
            {"kind": "raw", "hosts": ["https://a.example"], "auth": {"in": "header", "name": "X-Key"}},
            "shop.auth: a raw source has no keys",
        ),
    ],
)
def test_what_cannot_stand_together_is_told(
    tmp_path: Path, source: str, changes: Mapping[str, object], said: str | None
) -> None:
    assert told(tmp_path, {source: changes}) == ([said] if said else [])


def test_where_a_key_goes_is_the_operator_s_to_say() -> None:
    polygon = default_sources()["polygon_io"]
    assert build_source("polygon_io", polygon).auth == Auth(place="query", name="apiKey")
    said = polygon.auth.model_copy(update={"place": "header", "name": "Authorization"})
    moved = build_source("polygon_io", polygon.model_copy(update={"auth": said}))
    assert moved.auth == Auth(place="header", name="Authorization")
