"""The files around the code."""

import os
import subprocess

import pytest
import yaml
from tests.architecture.reading import PACKAGE, ROOT, tracked_files
from tests.architecture.repository import (
    INDEX_HOSTS,
    README_LINES,
    SCRIPT_LINES,
    faults_of_script,
    index_hosts,
    links_of,
    loose_pins,
    readable,
)

SCRIPTS = {"bench", "check", "demo", "fuzz", "lock", "setup", "start", "test"}
LOCKS = ("requirements.lock", "requirements-dev.lock")


def test_no_file_names_a_package_index() -> None:
    files = tracked_files()
    assert len(files) > 100
    assert [(file, host) for file in files for host in index_hosts(readable(file))] == []


@pytest.mark.parametrize("host", INDEX_HOSTS)
def test_notices_a_package_index(host: str) -> None:
    assert list(index_hosts(f"--index-url https://{host.upper()}.org/simple"))


@pytest.mark.parametrize("name", LOCKS)
def test_locks_carry_hashes_and_no_addresses(name: str) -> None:
    text = readable(ROOT / name)
    assert text.count("==") > 30
    assert list(loose_pins(text)) == []


@pytest.mark.parametrize(
    "bad",
    [
        "rich==15.0.0",
        "rich==15.0.0 \\\nyarl==1.0 \\\n    --hash=sha256:" + "0" * 64,
        "--index-url https://mirror.example/simple",
        "rich @ https://mirror.example/rich.whl",
    ],
)
def test_notices_a_loose_pin(bad: str) -> None:
    assert list(loose_pins(bad))


def test_the_readme_is_a_page() -> None:
    lines = readable(ROOT / "README.md").count("\n")
    assert 0 < lines <= README_LINES


def test_the_architecture_page_lists_every_room() -> None:
    page = readable(ROOT / "docs" / "architecture.md")
    rooms = [room.name for room in PACKAGE.iterdir() if room.is_dir() and any(room.rglob("*.py"))]
    assert len(rooms) > 8
    assert [room for room in rooms if f"-- {room}/ " not in page] == []


def test_links_between_documents_lead_somewhere() -> None:
    pages = [file for file in tracked_files() if file.suffix == ".md"]
    links = [(page, link) for page in pages for link in links_of(readable(page))]
    assert len(links) > 10
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_notices_a_link() -> None:
    assert list(links_of("See [this](a/b.md#part), [that](https://x.example) and [top](#top).")) == ["a/b.md"]


def test_every_verb_has_its_script() -> None:
    assert {file.name for file in (ROOT / "scripts").iterdir()} == SCRIPTS


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_is_short_and_stops_at_an_error(name: str) -> None:
    script = ROOT / "scripts" / name
    assert list(faults_of_script(readable(script), name)) == []
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize(
    "bad",
    [
        "#!/bin/sh\n# Does it.\nset -euo pipefail\nscripts/setup\n",
        "#!/usr/bin/env bash\nset -euo pipefail\nscripts/setup\n",
        "#!/usr/bin/env bash\n# Does it.\nscripts/setup\n",
        "#!/usr/bin/env bash\n# Does it.\nset -euo pipefail\n",
        "#!/usr/bin/env bash\n# Does it.\nset -euo pipefail\nscripts/setup\n" + "true\n" * SCRIPT_LINES,
    ],
)
def test_notices_a_poor_script(bad: str) -> None:
    assert list(faults_of_script(bad, "start"))


def test_an_unknown_measurement_lists_the_known_ones() -> None:
    script = ROOT / "scripts" / "bench"
    asked = subprocess.run([script, "nonsense"], cwd="/", capture_output=True, text=True, check=False)
    assert asked.returncode == 2
    assert "learning" in asked.stderr


def test_the_compose_file_takes_its_secrets_from_the_environment() -> None:
    services = yaml.safe_load(readable(ROOT / "docker-compose.yml"))["services"]
    secrets = [
        (name, value)
        for service in services.values()
        for name, value in service["environment"].items()
        if "PASSWORD" in name or "KEY" in name or "TOKEN" in name
    ]
    assert len(secrets) >= 2
    assert [name for name, value in secrets if not str(value).startswith("${")] == []
