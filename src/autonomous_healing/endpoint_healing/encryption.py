"""Stored keys as they lie in the database: encrypted, and with a print by which one is known again."""

import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

#: The one place from which the encryption key comes.
VARIABLE = "ENCRYPTION_KEY"

#: Bytes of the key of a print, which stands before it.
_SALT = 32


class BadEncryptionKey(ValueError):
    """`ENCRYPTION_KEY` is none, or not the one by which something was encrypted. Never says its value."""


class Cipher:
    """Fernet (AES-128-CBC and HMAC-SHA256) with one key or several: the first encrypts, all decrypt.

    So an encryption key is changed: put the new one before the old, start the product once, drop the old.
    """

    _all: "MultiFernet | None"

    def __init__(self, keys: str) -> None:
        """`keys`: as they stand in `ENCRYPTION_KEY`, separated by commas."""
        self.problem = ""  #: why nothing can be encrypted or decrypted, in words
        self.malformed = False  #: there is something, but it is no key
        self._all = None
        parts = [part.strip() for part in keys.split(",") if part.strip()]
        if not parts:
            self.problem = f"{VARIABLE} is not set"
            return
        from cryptography.fernet import Fernet, MultiFernet  # 8 MB, for those only who store keys

        try:
            self._all = MultiFernet([Fernet(part) for part in parts])
            self._first = Fernet(parts[0])
        except ValueError:
            self.malformed = True
            self.problem = f"{VARIABLE} is no Fernet key (32 bytes in URL-safe base64)"

    def encrypt(self, secret: str) -> bytes:
        """Raises `BadEncryptionKey`."""
        return self._usable().encrypt(secret.encode())

    def decrypt(self, ciphertext: bytes) -> str:
        """Raises `BadEncryptionKey`."""
        usable = self._usable()
        from cryptography.fernet import InvalidToken

        try:
            return usable.decrypt(ciphertext).decode()
        except InvalidToken:
            raise BadEncryptionKey(f"{VARIABLE} is not the one by which it was encrypted") from None

    def renewed(self, ciphertext: bytes) -> bytes:
        """The same by the first key, where it was encrypted by another. Raises `BadEncryptionKey`."""
        secret = self.decrypt(ciphertext)
        from cryptography.fernet import InvalidToken

        try:
            self._first.decrypt(ciphertext)
        except InvalidToken:
            return self.encrypt(secret)
        return ciphertext

    def _usable(self) -> "MultiFernet":
        if self._all is None:
            raise BadEncryptionKey(self.problem)
        return self._all


def new_encryption_key() -> str:
    """For `ENCRYPTION_KEY`."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def fingerprint(secret: str, random_bytes: Callable[[int], bytes]) -> bytes:
    """A hash with a key of its own, which stands before it: two of one secret have nothing in common."""
    salt = random_bytes(_SALT)
    return salt + _digest(secret, salt)


def fits(secret: str, print_of: bytes) -> bool:
    """Whether this is the secret that the print was made of."""
    return hmac.compare_digest(_digest(secret, print_of[:_SALT]), print_of[_SALT:])


def _digest(secret: str, salt: bytes) -> bytes:
    return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), key=salt, digest_size=32).digest()
