"""How much stands in one place."""

from tests.architecture.reading import PACKAGE, beside_it, offences, product, snippet
from tests.architecture.sizes import (
    FILE_LINES,
    FUNCTION_LINES,
    MEDIAN_LINES,
    P90_LINES,
    functions,
    length,
    long_files,
    long_functions,
    share_at_most,
    wide_constructors,
)

PACKAGES_AT_THE_TOP = 16


def function_of(lines: int, docstring: int = 0) -> str:
    quotes = ['    """Says', *["    more"] * (docstring - 2), '    """'] if docstring else []
    return "\n".join(["def f():", *quotes, *["    g()"] * (lines - 1)]) + "\n"


def test_a_function_fits_on_a_screen() -> None:
    assert offences(long_functions, (*product(), *beside_it())) == []


def test_most_functions_are_a_few_lines() -> None:
    assert share_at_most(product(), 0.5) <= MEDIAN_LINES
    assert share_at_most(product(), 0.9) <= P90_LINES


def test_a_file_is_about_one_idea() -> None:
    assert offences(long_files, product()) == []


def test_a_constructor_takes_what_one_can_remember() -> None:
    assert offences(wide_constructors, (*product(), *beside_it())) == []


def test_the_top_of_the_house_can_be_taken_in_at_a_glance() -> None:
    packages = [folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()]
    assert len(packages) <= PACKAGES_AT_THE_TOP, sorted(packages)


def test_notices_a_long_function() -> None:
    assert offences(long_functions, [snippet(function_of(FUNCTION_LINES + 1))])
    assert not offences(long_functions, [snippet(function_of(FUNCTION_LINES, docstring=9))])


def test_a_docstring_does_not_count() -> None:
    [function] = functions(snippet(function_of(5, docstring=4)))
    assert length(function) == 5


def test_tells_how_long_most_are() -> None:
    sources = [snippet(function_of(lines)) for lines in (2, 3, 4, 30)]
    assert share_at_most(sources, 0.5) == 3
    assert share_at_most(sources, 0.9) == 30


def test_notices_a_long_file() -> None:
    assert offences(long_files, [snippet("f()\n" * (FILE_LINES + 1))])
    assert not offences(long_files, [snippet("f()\n" * FILE_LINES)])


def test_notices_a_wide_constructor() -> None:
    eight = "class A:\n    def __init__(self, a, b, c, d, *, e, f, g, h): ..."
    assert offences(wide_constructors, [snippet(eight)])
    assert not offences(wide_constructors, [snippet(eight.replace(", h", ""))])
