"""Who may do what, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from autonomous_healing.safety.access import HOLDS, Access, Caller, Denial, Reason, objection
from autonomous_healing.safety.options import AuthSettings, Scope, TokenSettings
from autonomous_healing.safety.tokens import hash_of, holds_token, is_token, new_token

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
AWAY, HERE = "192.0.2.7", "127.0.0.1"


def token(seed: int) -> str:
    """The same each time, for it is part of the names of tests."""
    return new_token(lambda count: bytes([seed] * count))


ANN, BOB, CLO, DAN = (token(seed) for seed in range(4))

ACCESS = Access(
    AuthSettings(
        tokens=(
            TokenSettings(name="ann", hash=hash_of(ANN), scopes=(Scope.OPERATE,)),
            TokenSettings(name="bob", hash=hash_of(BOB), scopes=(Scope.READ,), expires_at=NOW),
            TokenSettings(name="clo", hash=hash_of(CLO), scopes=(Scope.OPERATE, Scope.APPROVE)),
        )
    )
)


def reason(*shown: str, address: str = AWAY, access: Access = ACCESS, now: datetime = NOW) -> Reason | None:
    """Why nobody is recognised, or None."""
    found = access.recognise(shown, address, now)
    return found.reason if isinstance(found, Denial) else None


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.OPERATE, {Scope.READ, Scope.OPERATE}),
        (Scope.APPROVE, {Scope.READ, Scope.APPROVE}),
        (Scope.ADMIN, {Scope.READ, Scope.OPERATE, Scope.APPROVE, Scope.ADMIN}),
    ],
)
def test_a_scope_allows_what_it_holds_and_nothing_else(scope: Scope, held: set[Scope]) -> None:
    caller = Caller("somebody", HOLDS[scope])

    assert {needed for needed in Scope if objection(caller, needed) is None} == held


def test_what_has_no_scope_is_allowed_to_nobody() -> None:
    denial = objection(Caller("root", HOLDS[Scope.ADMIN]), None)

    assert denial is not None
    assert (denial.reason, denial.is_unknown) == (Reason.UNDECLARED, False)


def test_a_denial_names_the_scope_that_is_missing() -> None:
    denial = objection(Caller("reader", HOLDS[Scope.READ]), Scope.APPROVE)

    assert denial is not None
    assert (denial.reason, denial.needed, denial.is_unknown) == (Reason.SCOPE_MISSING, Scope.APPROVE, False)
    assert "approve" in denial.detail


def test_a_token_names_its_owner_with_all_scopes_together() -> None:
    assert ACCESS.recognise([f"Bearer {ANN}"], AWAY, NOW) == Caller("ann", HOLDS[Scope.OPERATE])
    assert ACCESS.recognise([f"bearer  {CLO}"], AWAY, NOW) == Caller(
        "clo", HOLDS[Scope.OPERATE] | HOLDS[Scope.APPROVE]
    )


@pytest.mark.parametrize(
    "shown",
    [
        DAN,
        ANN[:-1],
        ANN + "x",
        ANN.upper(),
        hash_of(ANN),
        "",
        "\u0661",
    ],
)
@pytest.mark.parametrize("address", [AWAY, HERE])
def test_a_wrong_token_is_known_nowhere(shown: str, address: str) -> None:
    assert reason(f"Bearer {shown}", address=address) is Reason.UNKNOWN


@pytest.mark.parametrize(
    "shown", [ANN, f"Basic {ANN}", f"Bearer{ANN}", f"Bearer {ANN} {ANN}", f"Bearer {ANN}\n"]
)
def test_anything_but_one_bearer_token_is_refused(shown: str) -> None:
    assert reason(shown) is Reason.UNKNOWN


def test_two_tokens_at_once_are_refused_even_where_each_is_right() -> None:
    assert reason(f"Bearer {ANN}", f"Bearer {ANN}") is Reason.UNKNOWN


@pytest.mark.parametrize(("seconds", "ended"), [(-1, False), (0, True), (1, True)])
def test_a_token_ends_at_its_time(seconds: int, ended: bool) -> None:
    found = reason(f"Bearer {BOB}", now=NOW + timedelta(seconds=seconds))

    assert found is (Reason.EXPIRED if ended else None)


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("2001:db8::1", False),
        ("fe80::1%lo", False),
        ("", False),
        ("localhost.evil.example", False),
    ],
)
def test_without_a_token_only_this_machine_may_read(address: str, is_here: bool) -> None:
    found = ACCESS.recognise([], address, NOW)

    assert (
        found == Caller(None, HOLDS[Scope.READ])
        if is_here
        else reason(address=address) is Reason.NOTHING_SHOWN
    )


def test_without_a_token_this_machine_may_not_even_read_where_the_settings_say_so() -> None:
    strict = Access(AuthSettings(loopback_read=False))

    assert reason(address=HERE, access=strict) is Reason.NOTHING_SHOWN


def test_who_is_recognised_is_called_by_the_name_of_the_token() -> None:
    assert str(ACCESS.recognise([f"Bearer {ANN}"], HERE, NOW)) == "ann"
    assert str(ACCESS.recognise([], HERE, NOW)) == "loopback"


def test_a_token_holds_256_random_bits_and_can_be_told_by_its_form() -> None:
    asked: list[int] = []

    def noise(count: int) -> bytes:
        asked.append(count)
        return bytes(range(count))

    token = new_token(noise)

    assert asked == [32]
    assert token == "healing_token_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert is_token(token)
    assert holds_token(f"key: '{token}'")
    assert not is_token(f"{token} ")
    assert not holds_token(token[:-1])
    assert len({new_token() for _ in range(100)}) == 100


def test_the_hash_is_sha_256() -> None:
    assert hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
