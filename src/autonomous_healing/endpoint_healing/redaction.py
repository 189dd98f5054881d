"""Taking secrets out of what leaves the house."""

from collections.abc import Iterable
from urllib.parse import quote

MARK = "[redacted]"


class Redaction:
    """Replaces known secrets, also in their URL form, in text and in bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        self._texts = sorted(forms, key=len, reverse=True)
        self._bytes = [form.encode() for form in self._texts]

    def text(self, text: str) -> str:
        for secret in self._texts:
            text = text.replace(secret, MARK)
        return text

    def body(self, body: bytes) -> bytes:
        for secret in self._bytes:
            if secret in body:
                body = body.replace(secret, MARK.encode())
        return body
