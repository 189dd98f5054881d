"""Taking secrets out of what leaves the house."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MARK = "[redacted]"


@dataclass(frozen=True, slots=True)
class _Secret:
    """One secret in every way in which it may be written."""

    anchor: str  #: a part of it that all these ways share; empty where there is none
    in_text: re.Pattern[str]
    in_bytes: re.Pattern[bytes]


class Redaction:
    """Replaces known secrets, also in the forms of URLs and of JSON, in text and in bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A longer one first: a shorter one may be a part of it.
        known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._secrets = [_secret(one) for one in known]

    def text(self, text: str) -> str:
        for secret in self._secrets:
            if secret.anchor in text:
                text = secret.in_text.sub(MARK, text)
        return text

    def body(self, body: bytes) -> bytes:
        for secret in self._secrets:
            # Finding plain bytes is far quicker than a pattern, and an answer may be megabytes.
            if secret.anchor.encode() in body and secret.in_bytes.search(body):
                body = secret.in_bytes.sub(MARK.encode(), body)
        return body


def _secret(secret: str) -> _Secret:
    pattern = "".join(map(_forms, secret))
    anchor = max(re.findall(r"[A-Za-z0-9]+", secret), key=len, default="")
    return _Secret(anchor, re.compile(pattern), re.compile(pattern.encode("utf-8", "surrogatepass")))


def _forms(letter: str) -> str:
    """A letter or digit stands for itself; anything else also percent-encoded, or escaped as in JSON.

    A % may itself have been encoded (%252F), and hex digits may be of either case.
    """
    if letter.isascii() and letter.isalnum():
        return letter
    octets = letter.encode("utf-8", "surrogatepass")
    in_url = "".join(f"%(?:25)*(?i:{octet:02x})" for octet in octets)
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    in_json = "".join(rf"\\u(?i:{units[n : n + 4]})" for n in range(0, len(units), 4))
    forms = [
        re.escape(letter),
        rf"\\{re.escape(letter)}",
        in_url,
        in_json,
        *(["\\+"] if letter == " " else []),
    ]
    return f"(?:{'|'.join(forms)})"
