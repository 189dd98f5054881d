"""Taking secrets out of what leaves the house."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.redaction import MARK, Redaction

REDACTION = Redaction(["s3cret/key", "s3cret", ""])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("nothing here", "nothing here"),
        ("key s3cret.", f"key {MARK}."),
        ("https://x.test/v6/s3cret%2Fkey/latest", f"https://x.test/v6/{MARK}/latest"),
        ("s3cret/key and s3cret", f"{MARK} and {MARK}"),
        ("", ""),
    ],
)
def test_takes_out_a_secret_in_each_of_its_forms(text: str, left: str) -> None:
    assert REDACTION.text(text) == left
    assert REDACTION.body(text.encode()) == left.encode()


@pytest.mark.parametrize(
    "form",
    [
        "a+b/c-d_e.f=g",
        "a%2Bb%2Fc-d_e.f%3Dg",
        "a%2bb%2fc-d_e.f%3dg",
        "a%2bb%2Fc%2Dd%5fe%2Ef%3dg",
        "a+b%2Fc-d_e.f=g",
        "a%252Bb%252fc-d_e.f%253Dg",
        r"a+b\/c-d_e.f=g",
        r"a\u002Bb\u002fc-d_e.f\u003dg",
        r"a%2Bb\/c-d_e.f=g",
    ],
)
def test_takes_out_a_secret_however_it_was_encoded(form: str) -> None:
    redaction = Redaction(["a+b/c-d_e.f=g"])
    assert redaction.text(f"<{form}>") == f"<{MARK}>"
    assert redaction.body(f"<{form}>".encode()) == f"<{MARK}>".encode()


@pytest.mark.parametrize("other", ["aXb/c-d_e.f=g", "a+b/c-d_e_f=g", "A+B/C-D_E.F=G"])
def test_leaves_what_is_no_form_of_a_secret(other: str) -> None:
    assert Redaction(["a+b/c-d_e.f=g"]).text(other) == other


@pytest.mark.parametrize("secret", ["ключ key", "\U0001f511", "+/ &"])
def test_letters_of_any_alphabet_may_stand_in_a_secret(secret: str) -> None:
    redaction = Redaction([secret])
    for form in (secret, quote(secret, safe=""), quote_plus(secret).lower(), json.dumps(secret)[1:-1]):
        assert redaction.text(f"<{form}>") == f"<{MARK}>"
        assert redaction.body(f"<{form}>".encode()) == f"<{MARK}>".encode()


def test_no_secrets_change_nothing() -> None:
    body = b"\x00\xff as it came"
    assert Redaction([]).body(body) is body


@given(st.text(), st.text(), st.text(alphabet="abcXYZ019+/ &", min_size=4))
def test_a_secret_never_survives(before: str, after: str, secret: str) -> None:
    redaction = Redaction([secret])
    assert secret not in redaction.text(before + secret + after).replace(MARK, "")
    assert secret.encode() not in redaction.body((before + secret + after).encode()).replace(
        MARK.encode(), b"\x00"
    )


@given(st.binary())
def test_bytes_that_are_no_text_are_no_trouble(body: bytes) -> None:
    assert Redaction(["a secret nobody guesses"]).body(body) == body
