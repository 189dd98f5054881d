"""Who is taken for a server of a directory, and above all who is not."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from autonomous_healing.database.processes import clear_after_crash, postmaster_of
from autonomous_healing.database.unprivileged import server_account


@pytest.fixture
def cluster(server_home: Path) -> Path:
    home = server_home / "pg"
    home.mkdir()
    (home / "PG_VERSION").write_text("18\n")
    if account := server_account():
        shutil.chown(home, account)
    return home


@pytest.fixture
def neighbour(cluster: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Works in the directory, under the server's account, but is another program."""
    process = subprocess.Popen(["sleep", "60"], cwd=cluster, user=server_account())
    yield process
    process.kill()
    process.wait()


def test_a_neighbour_in_the_directory_is_left_alone(
    cluster: Path, neighbour: subprocess.Popen[bytes]
) -> None:
    (cluster / "postmaster.pid").write_text(f"{neighbour.pid}\n")

    assert postmaster_of(cluster) is None
    assert clear_after_crash(cluster, cluster)

    assert neighbour.poll() is None
    assert not (cluster / "postmaster.pid").exists()


def test_we_are_no_server_although_the_pid_file_says_so(cluster: Path) -> None:
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n")

    assert postmaster_of(cluster) is None
    clear_after_crash(cluster, cluster)

    assert psutil.Process().is_running()


def test_a_clean_directory_needs_no_clearing(cluster: Path) -> None:
    assert not clear_after_crash(cluster, cluster)
