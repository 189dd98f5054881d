"""Bearer tokens: how they are made, and the hash that is all we keep of them."""

import hashlib
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable

#: So that scanners for secrets, and people, see what it is.
PREFIX = "healing_token_"

#: As much as the hash has: nobody guesses that.
_RANDOM_BYTES = 32

#: The prefix, then the bytes in 43 characters (RFC 4648, section 5).
FORM = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")


def new_token(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """A token that nobody has seen before."""
    return PREFIX + urlsafe_b64encode(random_bytes(_RANDOM_BYTES)).decode().rstrip("=")


def hash_of(token: str) -> str:
    """SHA-256 as 64 hex digits. A slow hash would add nothing: there are no likely tokens to try."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def is_token(text: str) -> bool:
    """Whether it has the form of one, from end to end."""
    return FORM.fullmatch(text) is not None


def holds_token(text: str) -> bool:
    """Whether one stands anywhere in it."""
    return FORM.search(text) is not None
