"""Taking secrets out of what leaves the house."""

import html
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MARK = "[redacted]"

#: Characters from which a secret is told from the words around it, in whatever case, and as base64.
LONG = 8

#: Of base64 (RFC 4648, section 4), also in its form for URLs.
_BASE64 = "[A-Za-z0-9+/_-]"


@dataclass(frozen=True, slots=True)
class _Form:
    """One secret in several ways in which it may be written."""

    length: int  #: of the secret
    anchor: str  #: a part of it that all these ways share; empty where there is none
    octets: bytes  #: the same
    folded: bool  #: in whatever case
    in_text: re.Pattern[str]
    in_bytes: re.Pattern[bytes]


class Redaction:
    """Replaces known secrets in text and in bytes.

    Also as URLs, JSON and HTML write them, in other case, and as base64, alone or within more.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._forms: list[_Form] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """One more; what is known already changes nothing."""
        if secret and secret not in self._secrets:
            self._secrets.add(secret)
            # A longer one first: a shorter one may be a part of it.
            forms = [*self._forms, *_forms_of(secret)]
            self._forms = sorted(forms, key=lambda form: form.length, reverse=True)

    def text(self, text: str) -> str:
        for form in self._forms:
            if form.anchor in (text.lower() if form.folded else text):
                text = form.in_text.sub(MARK, text)
        return text

    def body(self, body: bytes) -> bytes:
        lowered: bytes | None = None
        for form in self._forms:
            if form.folded and lowered is None:
                lowered = body.lower()
            # Finding plain bytes is far quicker than a pattern, and an answer may be megabytes.
            among = lowered if form.folded and lowered is not None else body
            if form.octets in among and form.in_bytes.search(body):
                body, lowered = form.in_bytes.sub(MARK.encode(), body), None
        return body


class Redactions:
    """What must not be seen of all sources together, and what each of them could tell."""

    def __init__(self, secrets: Mapping[str, Iterable[str]]) -> None:
        """`secrets` by source."""
        self.everything = Redaction()
        self._by_source: dict[str, Redaction] = {}
        for source, known in secrets.items():
            for secret in known:
                self.add(source, secret)

    def of(self, source: str) -> Redaction:
        """For what a source says: it knows no other keys than its own."""
        known = self._by_source.get(source)
        if known is None:
            known = self._by_source[source] = Redaction()
        return known

    def add(self, source: str, secret: str) -> None:
        """From now on."""
        self.everything.add(secret)
        self.of(source).add(secret)


def _forms_of(secret: str) -> Iterator[_Form]:
    folded = len(secret) >= LONG
    plain = "".join(map(_letter, secret))
    anchor = _longest_word(secret)
    yield _form(secret, anchor.lower() if folded else anchor, plain, folded=folded)
    if folded:
        for shift in range(3):
            core, pattern = _in_base64(secret, shift)
            yield _form(secret, _longest_word(core), pattern, folded=False)


def _form(secret: str, anchor: str, pattern: str, *, folded: bool) -> _Form:
    flags = re.IGNORECASE if folded else re.NOFLAG
    in_bytes = re.compile(pattern.encode("utf-8", "surrogatepass"), flags)
    return _Form(len(secret), anchor, anchor.encode(), folded, re.compile(pattern, flags), in_bytes)


def _longest_word(text: str) -> str:
    return max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="")


def _letter(letter: str) -> str:
    """A letter or digit stands for itself; anything else also percent-encoded, or escaped as in JSON or HTML.

    A % may itself have been encoded (%252F), and hex digits may be of either case.
    """
    if letter.isascii() and letter.isalnum():
        return letter
    octets = letter.encode("utf-8", "surrogatepass")
    in_url = "".join(f"%(?:25)*(?i:{octet:02x})" for octet in octets)
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    in_json = "".join(rf"\\u(?i:{units[n : n + 4]})" for n in range(0, len(units), 4))
    in_html = rf"&#(?:0*{ord(letter)}|[xX]0*(?i:{ord(letter):x}));"
    forms = [
        re.escape(letter),
        rf"\\{re.escape(letter)}",
        in_url,
        in_json,
        in_html,
        re.escape(html.escape(letter)),
        *(["\\+"] if letter == " " else []),
    ]
    return f"(?:{'|'.join(forms)})"


def _in_base64(secret: str, shift: int) -> tuple[str, str]:
    """What base64 of text with the secret in it has in common, where it begins `shift` bytes after a group.

    That, and the pattern for it: with the digits at both ends that hold bits of its neighbours, too.
    """
    octets = secret.encode("utf-8", "surrogatepass")
    bits = 8 * (shift + len(octets))
    core = b64encode(bytes(shift) + octets).decode()[-(-8 * shift // 6) : bits // 6]
    before = f"{_BASE64}?" if shift else ""
    after = f"{_BASE64}?" if bits % 6 else ""
    return core, before + "".join(map(_digit, core)) + after + "(?:=|%3[dD]){0,2}"


def _digit(digit: str) -> str:
    """Of base64, also as in its form for URLs."""
    other = {"+": "-", "/": "_"}.get(digit)
    return digit if other is None else f"(?:{_letter(digit)}|{other})"
