"""Names, doors and what functions return."""

import pytest
from tests.architecture.reading import Rule, offences, product, snippet
from tests.architecture.shapes import JSON_BORDER, empty_names, loose_results, silent_doors


def test_results_are_types_and_not_loose_dictionaries() -> None:
    assert offences(loose_results, product()) == []


def test_every_place_at_the_json_border_is_one() -> None:
    unnamed = [snippet(source.text) for source in product() if source.path in JSON_BORDER]
    assert len(unnamed) == len(JSON_BORDER)
    assert all(offences(loose_results, [source]) for source in unnamed)


def test_names_say_what_a_thing_is() -> None:
    assert offences(empty_names, product()) == []


def test_every_package_says_at_its_door_what_it_is() -> None:
    assert offences(silent_doors, product()) == []


@pytest.mark.parametrize(
    ("rule", "path", "bad"),
    [
        (loose_results, "proxy/routes.py", "def f() -> dict[str, Any]: ..."),
        (loose_results, "proxy/routes.py", "async def f() -> list[dict[str, typing.Any]] | None: ..."),
        (loose_results, "proxy/routes.py", "def f() -> 'dict[str, Any]': ..."),
        (empty_names, "proxy/utils.py", "x = 1"),
        (empty_names, "common/routes.py", "x = 1"),
        (empty_names, "proxy/routes.py", "class RouteManager: ..."),
        (empty_names, "proxy/routes.py", "class HTTPHandler: ..."),
        (silent_doors, "proxy/__init__.py", "x = 1"),
        (silent_doors, "proxy/__init__.py", '"""The proxy"""'),
    ],
)
def test_notices(rule: Rule, path: str, bad: str) -> None:
    assert offences(rule, [snippet(bad, path)])


@pytest.mark.parametrize(
    ("rule", "path", "good"),
    [
        (loose_results, "proxy/routes.py", "def f(row: dict[str, Any]) -> dict[str, int]: ..."),
        (empty_names, "alerts/manager.py", "class AlertManager: ..."),
        (empty_names, "database/data_directory.py", "class DataDirectoryInUse: ..."),
        (silent_doors, "proxy/__init__.py", '"""Where requests come in. Knows no strategy."""'),
        (silent_doors, "proxy/routes.py", "x = 1"),
    ],
)
def test_lets_pass(rule: Rule, path: str, good: str) -> None:
    assert offences(rule, [snippet(good, path)]) == []
