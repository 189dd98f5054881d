"""How migration files are found and numbered."""

from pathlib import Path

import pytest

from autonomous_healing.database.migrate import MigrationUnknown, migrations_home, read_migrations

ROOT = Path(__file__).parents[2]


def test_the_folder_at_the_root_is_the_one_in_the_package() -> None:
    in_package = {file.name: file.read_text() for file in migrations_home().iterdir()}

    assert {file.name: file.read_text() for file in (ROOT / "migrations").iterdir()} == in_package
    assert len(read_migrations(migrations_home())) == len(in_package)


def test_each_migration_says_what_it_is_for() -> None:
    for migration in read_migrations(migrations_home()):
        assert migration.sql.startswith("-- "), migration


@pytest.mark.parametrize(
    "names", [(), ("0002_b.sql",), ("0001_a.sql", "0003_c.sql"), ("0001_a.sql", "0001_b.sql")]
)
def test_refuses_numbers_with_gaps_or_doubles(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(MigrationUnknown, match="not numbered"):
        read_migrations(tmp_path)


def test_turned_line_ends_are_no_edit(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\nSELECT 2;\n")
    [before] = read_migrations(tmp_path)
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    [after] = read_migrations(tmp_path)

    assert after.checksum == before.checksum
