"""Which of several answers is meant (RFC 9111, section 4.1)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.caching import pairs

from autonomous_healing.endpoint_healing.caching.varying import normalised, variant_key, varying_fields

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("vary", "names"),
    [
        ([], ()),
        (["Accept-Language"], (b"accept-language",)),
        (["b, A", "c"], (b"a", b"b", b"c")),
        (["a, a"], (b"a",)),
        ([", a ,"], (b"a",)),
        (["*"], None),
        (["a, *"], None),
        (["a", "*"], None),
        ([", *"], None),
    ],
)
def test_names_of_the_fields_that_choose(vary: list[str], names: tuple[bytes, ...] | None) -> None:
    assert varying_fields(pairs(vary=vary)) == names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"foo": "1"}, {"foo": "1", "bar": "2"}),
        ({"foo": ["1", "2"]}, {"foo": "1, 2"}),
        ({"foo": "1,2"}, {"foo": "1 ,\t2"}),
        ({"foo": '"a, b"'}, {"foo": ' "a, b"'}),
        ({}, {"bar": "1"}),
        ({"accept_language": "en, de"}, {"accept_language": "DE,en"}),
        ({"accept_language": "en;q=1.0"}, {"accept_language": "en"}),
        ({"accept_language": "en;q=0.5, de"}, {"accept_language": "de, en; Q=0.50"}),
        ({"accept_encoding": "gzip, br"}, {"accept_encoding": "br,GZIP"}),
    ],
)
def test_means_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    names = (b"accept-encoding", b"accept-language", b"foo")
    assert variant_key(KEY, names, pairs(**one)) == variant_key(KEY, names, pairs(**other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"foo": "1"}, {"foo": "2"}),
        ({"foo": "1"}, {}),
        ({"foo": ""}, {}),
        ({"foo": "1, 2"}, {"foo": "2, 1"}),
        ({"foo": "a"}, {"foo": "A"}),
        ({"foo": '"a,b"'}, {"foo": '"a, b"'}),
        ({"foo": "1", "bar": "2"}, {"foo": "2", "bar": "1"}),
        ({"accept_language": "en, de;q=0.5"}, {"accept_language": "en, de"}),
        ({"accept_language": "en;q=0"}, {"accept_language": "en"}),
        ({"accept_language": "en;q=0.5, de"}, {"accept_language": "en, de;q=0.5"}),
    ],
)
def test_means_something_else(one: dict[str, Any], other: dict[str, Any]) -> None:
    names = (b"accept-language", b"bar", b"foo")
    assert variant_key(KEY, names, pairs(**one)) != variant_key(KEY, names, pairs(**other))


def test_where_nothing_varies_the_question_is_the_key() -> None:
    assert variant_key(KEY, (), pairs(foo="1")) == KEY


def test_no_value_of_a_field_stands_in_a_key() -> None:
    secret = "0123456789abcdef"
    assert secret.encode() not in variant_key(KEY, (b"cookie",), pairs(cookie=secret))


@given(st.sampled_from([b"accept-language", b"accept", b"x"]), st.binary(max_size=80))
def test_no_bytes_break_it_and_once_is_enough(name: bytes, value: bytes) -> None:
    once = normalised(name, value)
    assert normalised(name, once) == once
