"""Where root puts PostgreSQL's files, which run under another account."""

import os
from pathlib import Path

import pytest

from autonomous_healing.database.unprivileged import own, reachable_cluster, reachable_programs


def test_an_ordinary_account_uses_what_it_was_told(tmp_path: Path) -> None:
    assert reachable_cluster(tmp_path / "pg", None, tmp_path / "home") == tmp_path / "pg"
    assert not (tmp_path / "home").exists()


def test_root_keeps_data_where_the_servers_account_can_go(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)

    place = reachable_cluster(tmp_path / "private" / "pg", "someone", tmp_path / "home")

    assert place.parent == tmp_path / "home"
    assert place == reachable_cluster(tmp_path / "private" / "pg", "someone", tmp_path / "home")
    assert place != reachable_cluster(tmp_path / "private" / "other", "someone", tmp_path / "home")
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_finds_the_programs_of_the_package() -> None:
    assert os.access(reachable_programs(None) / "pg_ctl", os.X_OK)


def test_a_directory_of_our_own_lets_nobody_else_in(tmp_path: Path) -> None:
    assert own(tmp_path / "new", None).stat().st_mode & 0o777 == 0o700


def test_refuses_a_directory_that_others_may_enter(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o700)
    (tmp_path / "open").chmod(0o755)

    with pytest.raises(PermissionError, match="0700"):
        own(tmp_path / "open", None)


def test_refuses_a_link_to_somewhere_else(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PermissionError, match="0700"):
        own(tmp_path / "link", None)
