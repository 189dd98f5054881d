"""Which sources there may be, where they may be, and where they answer."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from autonomous_healing.endpoint_healing.catalog import SOURCE_IDS, build_endpoints
from autonomous_healing.settings import BadSettings, Settings, load_settings, to_yaml

SECRET = "hunter2"


def raw(**changes: object) -> dict[str, object]:
    return {"kind": "raw", "hosts": ["https://shop.example"], **changes}


def load(tmp_path: Path, sources: Mapping[str, object], **sections: object) -> Settings:
    file = tmp_path / "healing_config.yaml"
    file.write_text(json.dumps({"sources": dict(sources), **sections}))  # JSON is YAML too
    return load_settings(file, {})


def told(tmp_path: Path, sources: Mapping[str, object], **sections: object) -> list[str]:
    """The faults, one line each; none where all is well."""
    try:
        load(tmp_path, sources, **sections)
    except BadSettings as bad:
        return [str(fault) for fault in bad.faults]
    return []


def test_a_source_may_be_passed_through_under_an_id_of_its_own(tmp_path: Path) -> None:
    settings = load(tmp_path, {"my_shop": raw()})
    assert set(settings.sources) == {*SOURCE_IDS, "my_shop"}
    [endpoint] = [one for one in build_endpoints(settings.sources) if one.source.id == "my_shop"]
    assert endpoint.source.mount == "/api/my-shop"


def test_sources_that_are_passed_through_read_back_equal(tmp_path: Path) -> None:
    settings = load(tmp_path, {"shop": raw(mount="/", port=0, allow_private=True), "plain": raw()})
    file = tmp_path / "again.yaml"
    file.write_text(to_yaml(settings))
    assert load_settings(file, {}) == settings


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a", None),
        ("s3", None),
        ("a" * 41, None),
        ("a" * 42, "an id has 1 to 41 small letters, digits and _, a letter first"),
        ("Shop", "an id has 1 to 41 small letters, digits and _, a letter first"),
        ("my-shop", "an id has 1 to 41 small letters, digits and _, a letter first"),
        ("_shop", "an id has 1 to 41 small letters, digits and _, a letter first"),
        ("3m", "an id has 1 to 41 small letters, digits and _, a letter first"),
        ("shop\n", "an id has 1 to 41 small letters, digits and _, a letter first"),
        ("", "an id has 1 to 41 small letters, digits and _, a letter first"),
        ("health", "this id is reserved"),
        ("healing", "this id is reserved"),
        ("yahoo", "'yahoo' is how yahoo_finance is called on the proxy"),
        ("exchange_rate", "'exchange-rate' is how exchange_rate_api is called on the proxy"),
    ],
)
def test_an_id_is_a_plain_name_that_nobody_else_has(tmp_path: Path, source: str, said: str | None) -> None:
    assert told(tmp_path, {source: raw()}) == ([f"sources.{source}: {said}"] if said else [])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("fred", "sources.fred: unknown source; did you mean 'fred_api'?"),
        (
            "zzz",
            "sources.zzz: unknown source; known are alpha_vantage, exchange_rate_api, fred_api, polygon_io,"
            " yahoo_finance; any other needs kind: raw",
        ),
    ],
)
def test_data_comes_from_known_sources_only(tmp_path: Path, source: str, said: str) -> None:
    assert told(tmp_path, {source: {"hosts": ["https://shop.example"]}}) == [said]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"fred_api": {"kind": "raw"}},
            "fred_api.kind: fred_api is healed as data; a raw source needs an id of its own",
        ),
        (
            {"shop": raw(hosts=["https://a.example", "https://b.example"])},
            "shop.hosts: a raw source has one host, not 2",
        ),
        ({"shop": raw(keys=["A_KEY"])}, "shop.keys: a raw source has none: what callers send is passed on"),
        (
            {"shop": raw(quota=[{"window": "second", "limit": 1}])},
            "shop.quota: a raw source has none: nothing is known of its limits",
        ),
        ({"fred_api": {"mount": "fred"}}, "fred_api.mount: has an effect for kind raw only"),
        ({"fred_api": {"port": 0}}, "fred_api.port: has an effect for kind raw only"),
        (
            {"fred_api": {"cache": "shared"}},
            "fred_api.cache: has an effect for kind raw only: copies of data are kept anyway",
        ),
        ({"shop": raw(stale_if_error=True)}, "shop.stale_if_error: has an effect with cache: shared only"),
        (
            {"shop": raw(while_revalidate=True)},
            "shop.while_revalidate: has no effect on a raw source without cache: shared",
        ),
    ],
)
def test_each_kind_has_settings_of_its_own(tmp_path: Path, changes: Mapping[str, object], said: str) -> None:
    assert told(tmp_path, changes) == [f"sources.{said}"]


def test_a_bare_off_means_what_it_says(tmp_path: Path) -> None:
    """YAML reads it as false."""
    file = tmp_path / "config.yaml"
    for word, mode in (("off", "off"), ('"off"', "off"), ("shared", "shared")):
        file.write_text(f'sources: {{shop: {{kind: raw, hosts: ["https://a.example"], cache: {word}}}}}')
        assert load_settings(file, {}).sources["shop"].cache == mode


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ("/shop", None),
        ("/api/shop", None),
        ("/api/shop/v1.2/~me", None),
        ("/healthy", None),
        ("/shop/health", None),
        ("shop", "'shop' does not begin with a slash"),
        ("https://shop.example", "'https://shop.example' does not begin with a slash"),
        ("/", "/ is possible on a port of its own only: set port"),
        ("/../shop", "'/../shop' holds a relative segment"),
        ("/shop/.", "'/shop/.' holds a relative segment"),
        ("/health", "'/health' is reserved for what the product itself answers"),
        ("/healing/shop", "'/healing/shop' is reserved for what the product itself answers"),
        ("/api/health", "'/api/health' is reserved for what the product itself answers"),
        ("/api/healing/shop", "'/api/healing/shop' is reserved for what the product itself answers"),
        ("/api", "overlaps with /api/yahoo_finance, where yahoo_finance answers"),
        ("/api/fred", "overlaps with /api/fred, where fred_api answers"),
        ("/api/fred_api/shop", "overlaps with /api/fred_api, where fred_api answers"),
        ("/api/plain", "overlaps with /api/plain, where plain answers"),
        ("/api/plain/below", "overlaps with /api/plain, where plain answers"),
        ("/other", "overlaps with /other/place, where other answers"),
        ("/other/place", "overlaps with /other/place, where other answers"),
        ("/other/places", None),
    ],
)
def test_a_mount_is_a_path_that_nobody_else_has(tmp_path: Path, mount: str, said: str | None) -> None:
    sources = {"other": raw(mount="/other/place"), "shop": raw(mount=mount), "plain": raw()}
    assert told(tmp_path, sources) == ([f"sources.shop.mount: {said}"] if said else [])


@pytest.mark.parametrize(
    "mount", ["/shop/", "//shop", "/shop//x", "/a b", "/a%2fb", "/{x}", "/a?b", "/a#b", "/ä"]
)
def test_a_mount_is_compared_as_it_is_written(tmp_path: Path, mount: str) -> None:
    [said] = told(tmp_path, {"shop": raw(mount=mount)})
    assert said.startswith(
        f"sources.shop.mount: {mount!r} holds an empty segment, or a character other than "
    )


@pytest.mark.parametrize("mount", ["/", "/health", "/api/fred", "/other/place"])
def test_alone_on_a_port_it_may_answer_anywhere(tmp_path: Path, mount: str) -> None:
    sources = {"other": raw(mount="/other/place"), "shop": raw(mount=mount, port=0)}
    assert told(tmp_path, sources) == []
    assert told(tmp_path, {"shop": raw(mount="/a/../b", port=0)}) != []


def test_what_is_alone_on_a_port_takes_no_place_on_the_proxy_s(tmp_path: Path) -> None:
    alone = {"plain": raw(port=0), "other": raw(mount="/place", port=0)}
    assert told(tmp_path, {**alone, "first": raw(mount="/api/plain"), "second": raw(mount="/place")}) == []


def test_a_port_has_one_owner(tmp_path: Path) -> None:
    sources = {
        "first": raw(port=7001),
        "second": raw(port=7001),
        "third": raw(port=7002),
        "fourth": raw(port=7003),
        "any": raw(port=0),
        "whichever": raw(port=0),
    }
    assert told(tmp_path, sources, server={"proxy_port": 7002, "dashboard_port": 7003}) == [
        "sources.second.port: 7001 is the port of first too",
        "sources.third.port: 7002 is the port of the proxy too",
        "sources.fourth.port: 7003 is the port of the dashboard too",
    ]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("shop.example", "'shop.example' is no base URL: give for example https://api.example.com"),
        (
            "ftp://shop.example",
            "'ftp://shop.example' is no base URL: give for example https://api.example.com",
        ),
        ("http://shop.example:0", "'http://shop.example:0': a port is a number from 1 to 65535"),
        ("http://shop.example/a/../b", "'http://shop.example/a/../b': the path holds a relative segment"),
        (
            f"https://me:{SECRET}@shop.example",
            "this is no base URL: give for example https://api.example.com",
        ),
        (
            f"https://shop.example?key={SECRET}",
            "this is no base URL: give for example https://api.example.com",
        ),
    ],
)
def test_a_host_is_a_base_url(tmp_path: Path, host: str, said: str) -> None:
    known = {"polygon_io": {"hosts": ["https://api.polygon.io", host]}}
    assert told(tmp_path, known) == [f"sources.polygon_io.hosts.1: {said}"]
    assert told(tmp_path, {"shop": raw(hosts=[host])}) == [f"sources.shop.hosts.0: {said}"]


PRIVATE = "set allow_private: true if the source is meant to be there"


@pytest.mark.parametrize(
    ("host", "said", "said_if_private"),
    [
        ("http://127.0.0.1:8080", f"127.0.0.1 is forbidden (loopback); {PRIVATE}", None),
        ("http://[::1]", f"::1 is forbidden (loopback); {PRIVATE}", None),
        ("http://192.168.1.7/shop", f"192.168.1.7 is forbidden (private); {PRIVATE}", None),
        (
            "http://169.254.169.254",
            "169.254.169.254 is forbidden (link-local)",
            "169.254.169.254 is forbidden (link-local)",
        ),
        ("http://8.8.8.8", None, None),
        ("http://[2606:4700::1111]", None, None),
        ("http://localhost", None, None),  # a name: where it leads is seen when it is resolved
    ],
)
def test_an_address_of_ones_own_network_is_meant(
    tmp_path: Path, host: str, said: str | None, said_if_private: str | None
) -> None:
    path = "sources.shop.hosts.0"
    assert told(tmp_path, {"shop": raw(hosts=[host])}) == ([f"{path}: {said}"] if said else [])
    allowed = {"shop": raw(hosts=[host], allow_private=True)}
    assert told(tmp_path, allowed) == ([f"{path}: {said_if_private}"] if said_if_private else [])


def test_a_certificate_authority_is_a_file_and_of_use(tmp_path: Path) -> None:
    authority, absent = tmp_path / "ca.pem", tmp_path / "absent.pem"
    authority.touch()
    sources = {
        "fine": raw(ca_file=str(authority)),
        "lost": raw(ca_file=str(absent)),
        "idle": raw(ca_file=str(authority), hosts=["http://shop.example"]),
    }
    assert told(tmp_path, sources) == [
        f"sources.lost.ca_file: there is no file '{absent}'",
        "sources.idle.ca_file: has no effect: no host is https",
    ]


def test_what_is_raw_is_not_watched(tmp_path: Path) -> None:
    watched = {"endpoints": [{"source": "shop", "endpoint": "/"}]}
    assert told(tmp_path, {"shop": raw()}, monitoring=watched) == [
        "monitoring.endpoints.0.source: shop is raw, and what is raw is not probed"
    ]


def test_all_that_is_wrong_with_sources_is_told_at_once(tmp_path: Path) -> None:
    sources = {
        "shop": raw(hosts=["x", "http://127.0.0.1"], keys=["A_KEY"], mount="shop"),
        "nowhere": {"kind": "raw"},  # not even a host
        "fred_api": {"port": 70_000},
        "fred": {"hosts": ["x"]},
    }
    paths = {line.split(": ")[0] for line in told(tmp_path, sources, server={"proxy_port": 8888})}
    assert paths == {
        "sources.shop.hosts",
        "sources.shop.hosts.0",
        "sources.shop.hosts.1",
        "sources.shop.keys",
        "sources.shop.mount",
        "sources.nowhere.hosts",
        "sources.fred_api.port",
        "sources.fred",
        "sources.fred.hosts.0",
        "server.dashboard_port",
    }
