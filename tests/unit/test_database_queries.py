"""Named statements in `.sql` files."""

import pytest

from autonomous_healing.database import load_queries
from autonomous_healing.database.queries import parse_queries

GOOD = """
-- first --
-- What it is for,
-- on two lines.
SELECT 1
  FROM somewhere; -- not part of the sentence

-- second --
-- Another.
SELECT 2;
"""


def test_finds_statements_by_name_without_their_sentences() -> None:
    assert parse_queries(GOOD, "good.sql") == {
        "first": "SELECT 1\n  FROM somewhere; -- not part of the sentence",
        "second": "SELECT 2;",
    }


def test_reads_the_file_beside_a_package() -> None:
    assert "insert_rows" in load_queries("autonomous_healing.database", "statements.sql")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1;\n-- a --\n-- Why.\nSELECT 2;", "before the first"),
        ("-- a --\nSELECT 1;", "a has no sentence"),
        ("-- a --\n-- Why.\n", "a has no statement"),
        ("-- a --\n-- Why.\nSELECT 1;\n-- a --\n-- Why.\nSELECT 2;", "a is used twice"),
    ],
)
def test_refuses_a_careless_file(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_queries(text, "careless.sql")
