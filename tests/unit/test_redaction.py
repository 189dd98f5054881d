"""Taking secrets out of what leaves the house."""

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
