"""Stored keys as they lie in the database."""

import os
import re
from base64 import urlsafe_b64encode

import pytest

from autonomous_healing.endpoint_healing.encryption import (
    BadEncryptionKey,
    Cipher,
    fingerprint,
    fits,
    new_encryption_key,
)

OLD, NEW = (urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))


def test_what_was_encrypted_comes_out_again_and_shows_nothing_meanwhile() -> None:
    lying = Cipher(OLD).encrypt("canary-ключ")
    assert Cipher(OLD).decrypt(lying) == "canary-ключ"
    assert b"canary" not in lying
    assert lying != Cipher(OLD).encrypt("canary-ключ")


def test_of_several_keys_the_first_encrypts_and_all_decrypt() -> None:
    both = Cipher(f"{NEW}, {OLD}")
    assert both.decrypt(Cipher(OLD).encrypt("one")) == "one"
    assert Cipher(NEW).decrypt(both.encrypt("two")) == "two"
    with pytest.raises(BadEncryptionKey):
        Cipher(OLD).decrypt(both.encrypt("two"))


def test_what_an_older_key_encrypted_is_renewed_by_the_first_one_only() -> None:
    both = Cipher(f"{NEW},{OLD}")
    old, new = Cipher(OLD).encrypt("one"), Cipher(NEW).encrypt("two")
    assert Cipher(NEW).decrypt(both.renewed(old)) == "one"
    assert both.renewed(new) is new
    with pytest.raises(BadEncryptionKey):
        Cipher(NEW).renewed(old)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", "ENCRYPTION_KEY is not set"),
        (" , ", "ENCRYPTION_KEY is not set"),
        ("canary", "ENCRYPTION_KEY is no Fernet key (32 bytes in URL-safe base64)"),
        (f"{OLD},canary", "ENCRYPTION_KEY is no Fernet key (32 bytes in URL-safe base64)"),
        ("кан", "ENCRYPTION_KEY is no Fernet key (32 bytes in URL-safe base64)"),
    ],
)
def test_a_key_that_is_none_is_told_in_words_without_its_value(keys: str, said: str) -> None:
    cipher = Cipher(keys)
    assert cipher.problem == said
    with pytest.raises(BadEncryptionKey, match=re.escape(said)):
        cipher.encrypt("x")
    with pytest.raises(BadEncryptionKey, match=re.escape(said)):
        cipher.decrypt(Cipher(OLD).encrypt("x"))


@pytest.mark.parametrize(
    "lying",
    [b"", b"no token", Cipher(NEW).encrypt("x"), Cipher(OLD).encrypt("x")[:-4]],
    ids=["nothing", "no token", "of another key", "cut off"],
)
def test_what_another_key_encrypted_or_what_is_damaged_cannot_be_read(lying: bytes) -> None:
    with pytest.raises(BadEncryptionKey, match="is not the one by which it was encrypted"):
        Cipher(OLD).decrypt(lying)


def test_a_print_fits_its_secret_only_and_two_have_nothing_in_common() -> None:
    first, second = fingerprint("secret", os.urandom), fingerprint("secret", os.urandom)
    assert fits("secret", first)
    assert fits("secret", second)
    assert not fits("secreT", first)
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]
    assert b"secret" not in first


@pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 64])
def test_what_is_no_print_fits_nothing(damaged: bytes) -> None:
    assert not fits("secret", damaged)


def test_a_new_encryption_key_is_one_and_new() -> None:
    first, second = new_encryption_key(), new_encryption_key()
    assert first != second
    assert Cipher(first).decrypt(Cipher(first).encrypt("x")) == "x"
