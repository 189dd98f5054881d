"""Rules on how much stands in one place."""

import ast
from collections.abc import Iterable, Iterator
from math import ceil

from tests.architecture.reading import Offence, Source

FUNCTION_LINES, MEDIAN_LINES, P90_LINES = 60, 7, 22
FILE_LINES = 400
CONSTRUCTOR_ARGUMENTS = 7

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: Source) -> Iterator[Function]:
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    match function.body[0]:
        case ast.Expr(value=ast.Constant(value=str())) as docstring:
            return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)
    return lines


def long_functions(source: Source) -> Iterator[Offence]:
    for function in functions(source):
        if length(function) > FUNCTION_LINES:
            yield function.lineno, f"{function.name} has {length(function)} lines"


def long_files(source: Source) -> Iterator[Offence]:
    if source.lines > FILE_LINES:
        yield source.lines, f"has {source.lines} lines"


def wide_constructors(source: Source) -> Iterator[Offence]:
    for function in functions(source):
        given = len(function.args.posonlyargs) + len(function.args.args) - 1 + len(function.args.kwonlyargs)
        if function.name == "__init__" and given > CONSTRUCTOR_ARGUMENTS:
            yield function.lineno, f"takes {given} arguments"


def share_at_most(sources: Iterable[Source], share: float) -> int:
    """The length that `share` of all functions do not exceed."""
    lengths = sorted(length(function) for source in sources for function in functions(source))
    return lengths[ceil(share * len(lengths)) - 1]
