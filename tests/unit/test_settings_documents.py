"""File, code and page say the same of every setting."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from autonomous_healing.resilience import Options
from autonomous_healing.settings import Settings, load_settings, to_markdown, to_yaml
from autonomous_healing.settings.faults import models_in

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "config" / "healing_config.yaml"
PAGE = ROOT / "docs" / "reference" / "settings.md"


class Inner(Options):
    seconds: float = Field(gt=0, le=9, description="How long.")


class Outer(Options):
    first: Inner = Field(Inner(seconds=1.0), description="The first.")
    others: dict[str, Inner] = Field(default_factory=dict, description="By name.")
    rows: tuple[Inner, ...] = Field((), description="In a list.")


class Whole(Options):
    outer: Outer = Field(default_factory=Outer, description="Everything.")


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A section with all sections inside of it."""
    yield model
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield from sections(inner)


def test_the_shipped_file_is_what_the_code_says_word_for_word() -> None:
    assert CONFIGURATION.read_text(encoding="utf-8") == to_yaml(Settings())


def test_the_shipped_file_reads_back_as_the_defaults() -> None:
    assert load_settings(CONFIGURATION, {}) == Settings()


def test_the_page_is_what_the_code_says_word_for_word() -> None:
    assert PAGE.read_text(encoding="utf-8") == to_markdown(Settings())


def test_every_setting_has_a_sentence_and_the_page_holds_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    fields = [
        (model, name, field) for model in sections(Settings) for name, field in model.model_fields.items()
    ]
    assert len(fields) > 80
    assert [
        (model, name) for model, name, field in fields if not (field.description or "").endswith(".")
    ] == []
    assert [(model, name) for model, name, field in fields if (field.description or "?") not in page] == []


def test_the_page_shows_sections_in_sections_lists_and_names_of_ones_own() -> None:
    rows = [line for line in to_markdown(Whole()).splitlines() if line.startswith("| `")]

    assert rows == [
        "| `first` | | | The first. |",
        "| `first.seconds` | `1.0` | > 0 and <= 9 | How long. |",
        "| `others` | | | By name. |",
        "| `others.<name>.seconds` |  | > 0 and <= 9 | How long. |",
        "| `rows` | | | In a list. |",
        "| `rows[].seconds` |  | > 0 and <= 9 | How long. |",
    ]
