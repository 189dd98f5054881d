"""Taking secrets out of what leaves the house."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.redaction import MARK, Redaction, Redactions

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
        "A+B/C-D_E.F=G",
        "a%2bB%2FC-d_E.f%3dG",
        "a&#43;b&#x2F;c-d_e.f&#061;g",
    ],
)
def test_takes_out_a_secret_however_it_was_encoded(form: str) -> None:
    redaction = Redaction(["a+b/c-d_e.f=g"])
    assert redaction.text(f"<{form}>") == f"<{MARK}>"
    assert redaction.body(f"<{form}>".encode()) == f"<{MARK}>".encode()


@pytest.mark.parametrize("other", ["aXb/c-d_e.f=g", "a+b/c-d_e_f=g", "a+b/c-d_e.f=", "YStiL2MtZF9lLmY9"])
def test_leaves_what_is_no_form_of_a_secret(other: str) -> None:
    assert Redaction(["a+b/c-d_e.f=g"]).text(other) == other


def test_letters_that_html_has_names_for_are_known_by_them() -> None:
    redaction = Redaction(["""a&b<c>"d'e"""])
    for form in (html.escape("""a&b<c>"d'e"""), "a&#38;b&#x3c;c&gt;&quot;d&#39;e"):
        assert redaction.text(f"<p>{form}</p>") == f"<p>{MARK}</p>"


def test_a_short_secret_is_known_as_it_is_written_only() -> None:
    """Or half of what a provider says would be gone, for a key like `demo`."""
    redaction = Redaction(["demo"])
    assert redaction.text("Demo demo DEMO ZGVtbw==") == f"Demo {MARK} DEMO ZGVtbw=="


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", ":", "u:", "user:"])
@pytest.mark.parametrize("after", ["", ":", ":p", "and so on"])
def test_takes_out_a_secret_in_base64(before: str, after: str, encode: Callable[[bytes], bytes]) -> None:
    secret = "canary?>~9f8e7d6c5b4a"
    encoded = encode(f"{before}{secret}{after}".encode()).decode()
    left = Redaction([secret]).text(f'{{"auth": "Basic {encoded}"}}')
    assert MARK in left
    assert Redaction([secret]).body(f'{{"auth": "Basic {encoded}"}}'.encode()).decode() == left
    # No bit of the secret is left: what is, are bits of what stands beside it, and the last digit's filling.
    beside = left.removeprefix('{"auth": "Basic ').removesuffix('"}').replace(MARK, "").rstrip("=")
    assert len(beside) * 6 <= (len(before) + len(after)) * 8 + 5


@pytest.mark.parametrize(
    "form",
    [
        "YWJjZGVmZ2g/Pz4+fn56eg==",
        r"YWJjZGVmZ2g\/Pz4+fn56eg==",
        "YWJjZGVmZ2g%2FPz4%2Bfn56eg%3D%3D",
        "YWJjZGVmZ2g_Pz4-fn56eg",
    ],
)
def test_base64_may_itself_be_escaped(form: str) -> None:
    assert Redaction(["abcdefgh??>>~~zz"]).text(f"<{form}>") == f"<{MARK}>"


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


@given(st.binary(), st.binary(), st.text(alphabet="abcXYZ019+/ &", min_size=8))
def test_no_base64_around_a_secret_survives(before: bytes, after: bytes, secret: str) -> None:
    encoded = b64encode(before + secret.encode() + after)
    assert MARK.encode() in Redaction([secret]).body(encoded)


def test_what_is_added_later_is_taken_out_from_then_on() -> None:
    redaction = Redaction(["first secret"])
    redaction.add("first secret and more")
    redaction.add("")
    assert redaction.text("first secret and more, first secret") == f"{MARK}, {MARK}"


def test_each_source_is_searched_for_its_own_secrets_and_everything_for_all() -> None:
    redactions = Redactions({"fred_api": ["fred's own"], "polygon_io": []})
    redactions.add("polygon_io", "polygon's own")
    said = "fred's own, polygon's own"
    assert redactions.of("fred_api").text(said) == f"{MARK}, polygon's own"
    assert redactions.of("polygon_io").text(said) == f"fred's own, {MARK}"
    assert redactions.of("yahoo_finance").text(said) == said
    assert redactions.everything.text(said) == f"{MARK}, {MARK}"
