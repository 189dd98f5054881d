"""Keys and their states in a real PostgreSQL: what was known is known again, what is stored is used, and no
secret lies there in clear."""

import os
from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.clock import ManualClock

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
)
from autonomous_healing.endpoint_healing.encryption import (
    Cipher,
    fingerprint,
    new_encryption_key,
)
from autonomous_healing.endpoint_healing.key_keeping import KeyKeeper
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.key_store import KeyRow, KeyStore
from autonomous_healing.endpoint_healing.keys import KeyRing, KeyState, UnknownKey
from autonomous_healing.endpoint_healing.redaction import MARK, Redactions

FRED = build_source("fred_api", default_sources()["fred_api"])
ENDPOINT = "/series"
FIRST, SECOND, STORED = "fred_api#1", "fred_api#2", "fred_api#s1"
PLACE = ("fred_api", STORED)
ENCRYPTION_KEY = new_encryption_key()


class House:
    """One run of the product, as far as it has to do with keys."""

    def __init__(
        self,
        database: Database,
        clock: ManualClock,
        secrets: Sequence[str] = ("canary-one", "canary-two"),
        encryption_key: str = ENCRYPTION_KEY,
    ) -> None:
        self.clock = clock
        self.ring = KeyRing(FRED, secrets, clock, KeySettings())
        self.store = KeyStore(database)
        self.cipher = Cipher(encryption_key)
        self.redactions = Redactions({"fred_api": secrets})
        self.told: list[str] = []
        self.keeper = KeyKeeper({"fred_api": self.ring}, self.store, self.cipher, self.redactions, clock)
        self.keeper.changed = self.told.append

    @property
    def states(self) -> dict[str, str]:
        return {one.alias: one.state.value for one in self.ring.readings()}

    async def add(self, secret: str = "canary-stored", alias: str = STORED) -> None:
        """As the command does it."""
        lying = self.cipher.encrypt(secret)
        assert await self.store.add(("fred_api", alias), lying, fingerprint(secret, os.urandom), "spare")

    async def row(self, alias: str) -> KeyRow:
        [row] = [row for row in await self.store.load() if row.alias == alias]
        return row


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_states_survive_a_restart(database: Database, clock: ManualClock) -> None:
    before = House(database, clock, ("a", "b", "c", "d", "e"))
    aliases = [key.alias for key in before.ring.keys]
    before.ring.reject(aliases[0], RATE_LIMITED, ENDPOINT, 600.0)
    before.ring.reject(aliases[1], QUOTA_EXHAUSTED, ENDPOINT, 7200.0)
    before.ring.reject(aliases[2], AUTH_REJECTED, ENDPOINT, None)
    before.ring.quarantine(aliases[3], "leaked")
    before.ring.reject(aliases[4], PLAN_LIMITED, ENDPOINT, None)
    await before.keeper.sync()
    clock.pass_time(100.0)

    after = House(database, clock, ("a", "b", "c", "d", "e"))
    await after.keeper.sync()

    assert after.ring.readings() == before.ring.readings()
    assert [one.seconds_left for one in after.ring.readings()] == [500.0, 7100.0, 3500.0, None, None]
    assert after.ring.readings()[4].excluded == (ENDPOINT,)


async def test_a_state_is_written_when_it_changes_and_only_then(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    for state, revision in ((None, 1), (None, 1), ("limited", 2), (None, 2)):
        if state:
            house.ring.reject(FIRST, RATE_LIMITED, ENDPOINT, 600.0)
        await house.keeper.sync()
        assert (await house.row(FIRST)).revision == revision
    assert (await house.row(FIRST)).state is KeyState.LIMITED
    assert (await house.row(FIRST)).until == clock.now() + timedelta(seconds=600)


async def test_another_key_in_the_environment_starts_anew(database: Database, clock: ManualClock) -> None:
    before = House(database, clock)
    before.ring.reject(FIRST, AUTH_REJECTED, ENDPOINT, None)
    await before.keeper.sync()
    after = House(database, clock, ("canary-new", "canary-two"))
    await after.keeper.sync()
    assert after.states == {FIRST: "ok", SECOND: "ok"}
    assert (await after.row(FIRST)).state is KeyState.OK


async def test_a_key_is_known_by_its_secret_wherever_it_stands(
    database: Database, clock: ManualClock
) -> None:
    before = House(database, clock)
    before.ring.reject(FIRST, AUTH_REJECTED, ENDPOINT, None)
    await before.keeper.sync()
    swapped = House(database, clock, ("canary-two", "canary-one"))
    await swapped.keeper.sync()
    assert swapped.states == {FIRST: "ok", SECOND: "invalid"}
    alone = House(database, clock, ("canary-one",))
    await alone.keeper.sync()
    assert alone.states == {FIRST: "invalid"}
    assert [row.alias for row in await alone.store.load()] == [FIRST]


async def test_what_happened_before_the_database_came_is_newer(
    database: Database, clock: ManualClock
) -> None:
    before = House(database, clock)
    before.ring.reject(FIRST, AUTH_REJECTED, ENDPOINT, None)
    await before.keeper.sync()
    after = House(database, clock)
    after.ring.reject(FIRST, RATE_LIMITED, ENDPOINT, 600.0)
    await after.keeper.sync()
    assert after.states[FIRST] == "limited"
    assert (await after.row(FIRST)).state is KeyState.LIMITED


async def test_a_key_that_is_stored_while_it_runs_is_used_and_redacted(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock, ())
    await house.keeper.sync()
    await house.add()
    await house.keeper.sync()
    key = house.ring.choose(ENDPOINT)
    assert key is not None
    assert (key.alias, key.secret) == (STORED, "canary-stored")
    assert house.redactions.of("fred_api").text("canary-stored") == MARK
    assert (house.told, house.keeper.secrets("fred_api")) == (["fred_api"], {STORED: "canary-stored"})


async def test_stored_keys_come_behind_those_of_the_environment_in_the_order_in_which_they_came(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    await house.add("canary-a", "fred_api#s2")
    await house.add("canary-b", "fred_api#s1")
    await house.keeper.sync()
    assert list(house.states) == [FIRST, SECOND, "fred_api#s2", "fred_api#s1"]


async def test_an_alias_is_given_once(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    await house.add()
    lying = house.cipher.encrypt("other")
    assert not await house.store.add(PLACE, lying, fingerprint("other", os.urandom), "")
    await house.keeper.sync()
    assert house.keeper.secrets("fred_api")[STORED] == "canary-stored"


async def test_a_rotated_key_is_used_at_once_and_starts_anew(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    await house.add()
    await house.keeper.sync()
    house.ring.reject(STORED, AUTH_REJECTED, ENDPOINT, None)
    await house.keeper.sync()
    lying = house.cipher.encrypt("canary-new")
    assert await house.store.rotate(PLACE, lying, fingerprint("canary-new", os.urandom), clock.now())
    await house.keeper.sync()
    assert (house.states[STORED], house.keeper.secrets("fred_api")[STORED]) == ("ok", "canary-new")
    assert house.redactions.of("fred_api").text("canary-stored canary-new") == f"{MARK} {MARK}"

    assert await house.store.rotate_back(PLACE, fingerprint("canary-stored", os.urandom))
    await house.keeper.sync()
    assert house.keeper.secrets("fred_api")[STORED] == "canary-stored"
    assert not await house.store.rotate_back(PLACE, b"")


async def test_the_key_before_a_rotation_is_kept_for_a_day(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    await house.add()
    await house.keeper.sync()
    await house.keeper.rotate_key("fred_api", "canary-new", STORED)
    clock.pass_time(86_399.0)
    await house.keeper.sync()
    assert (await house.row(STORED)).former is not None
    clock.pass_time(2.0)
    await house.keeper.sync()
    assert (await house.row(STORED)).former is None


async def test_a_removed_key_is_used_no_more(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    await house.add()
    await house.keeper.sync()
    assert await house.store.remove(PLACE)
    assert not await house.store.remove(("fred_api", FIRST))  # of the environment
    await house.keeper.sync()
    assert list(house.states) == [FIRST, SECOND]
    assert house.told == ["fred_api", "fred_api"]


@pytest.mark.parametrize("alias", [FIRST, STORED])
async def test_what_somebody_does_by_hand_goes_before_what_happened_meanwhile(
    database: Database, clock: ManualClock, alias: str
) -> None:
    house = House(database, clock)
    await house.add()
    await house.keeper.sync()
    assert await house.store.quarantine(("fred_api", alias), "by hand: leaked")
    house.ring.reject(alias, RATE_LIMITED, ENDPOINT, 600.0)
    await house.keeper.sync()
    assert house.states[alias] == "quarantined"
    assert (await house.row(alias)).state is KeyState.QUARANTINED
    assert house.ring.key(alias).last_error == "by hand: leaked"
    assert await house.store.release(("fred_api", alias))
    assert not await house.store.release(("fred_api", alias))
    await house.keeper.sync()
    assert house.states[alias] == "ok"


async def test_what_is_done_by_hand_here_is_written_there(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    await house.keeper.sync()
    house.ring.quarantine(FIRST, "by hand")
    await house.keeper.sync()
    assert (await house.row(FIRST)).state is KeyState.QUARANTINED
    house.ring.release(FIRST)
    await house.keeper.sync()
    assert (await house.row(FIRST)).state is KeyState.OK


@pytest.mark.parametrize(
    ("encryption_key", "said"),
    [
        ("", "ENCRYPTION_KEY is not set"),
        ("canary", "ENCRYPTION_KEY is no Fernet key (32 bytes in URL-safe base64)"),
        (new_encryption_key(), "ENCRYPTION_KEY is not the one by which it was encrypted"),
    ],
    ids=["none", "no key", "another"],
)
async def test_stored_keys_that_cannot_be_read_are_told_once_and_the_others_go_on(
    database: Database,
    clock: ManualClock,
    encryption_key: str,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await House(database, clock).add()
    house = House(database, clock, encryption_key=encryption_key)
    for _ in range(3):
        await house.keeper.sync()
    assert house.states == {FIRST: "ok", SECOND: "ok"}
    assert (house.keeper.locked, house.keeper.problem) == ({"fred_api": (STORED,)}, said)
    told = [one for one in caplog.records if one.getMessage() == "stored_keys_unreadable"]
    assert [(one.__dict__["keys"], one.__dict__["reason"]) for one in told] == [([STORED], said)]
    assert (await house.row(STORED)).ciphertext is not None


async def test_an_encryption_key_is_changed_by_one_start_with_both(
    database: Database, clock: ManualClock
) -> None:
    old = House(database, clock)
    await old.add()
    await old.keeper.sync()
    await old.keeper.rotate_key("fred_api", "canary-new", STORED)
    new_key = new_encryption_key()
    await House(database, clock, encryption_key=f"{new_key},{ENCRYPTION_KEY}").keeper.sync()
    new = House(database, clock, encryption_key=new_key)
    await new.keeper.sync()
    row = await new.row(STORED)
    assert row.former is not None
    assert new.keeper.secrets("fred_api")[STORED] == "canary-new"
    assert Cipher(new_key).decrypt(row.former) == "canary-stored"
    assert new.keeper.locked == {}


async def test_a_key_of_the_environment_is_rotated_without_a_restart(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    await house.keeper.sync()
    house.ring.reject(FIRST, AUTH_REJECTED, ENDPOINT, None)
    await house.keeper.rotate_key("fred_api", "canary-new")
    assert (house.states[FIRST], house.ring.key(FIRST).secret) == ("ok", "canary-new")
    assert house.redactions.of("fred_api").text("canary-new") == MARK
    house.ring.reject(FIRST, RATE_LIMITED, ENDPOINT, 600.0)
    await house.keeper.sync()
    again = House(database, clock, ("canary-new", "canary-two"))
    await again.keeper.sync()
    assert again.states[FIRST] == "limited"


async def test_what_cannot_be_rotated_changes_nothing(database: Database, clock: ManualClock) -> None:
    await House(database, clock).add()
    house = House(database, clock, ())
    await house.keeper.sync()
    with pytest.raises(UnknownKey):
        await house.keeper.rotate_key("fred_api", "canary-new", "fred_api#9")
    assert house.keeper.secrets("fred_api") == {STORED: "canary-stored"}


async def test_another_installation_s_key_of_the_same_name_is_left_alone(
    database: Database, clock: ManualClock
) -> None:
    here, there = House(database, clock, ("canary-here",)), House(database, clock, ("canary-there",))
    await here.keeper.sync()
    await there.keeper.sync()
    there.ring.quarantine(FIRST, "by hand")
    await there.keeper.sync()
    await here.keeper.sync()
    assert (here.states, there.states) == ({FIRST: "ok"}, {FIRST: "quarantined"})


async def test_keys_of_sources_that_are_off_are_left_where_they_are(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    await house.add()
    keeper = KeyKeeper({}, house.store, house.cipher, house.redactions, clock)
    await keeper.sync()
    assert [row.alias for row in await house.store.load()] == [STORED]


async def test_no_secret_lies_there_in_clear(database: Database, clock: ManualClock) -> None:
    house = House(database, clock)
    await house.add()
    await house.keeper.sync()
    await house.keeper.rotate_key("fred_api", "canary-new", STORED)
    [row] = await database.fetch("SELECT string_agg(api_keys::text, ' ') AS all FROM api_keys")
    assert "canary" not in row["all"]
    assert b"canary".hex() not in row["all"]
    assert ENCRYPTION_KEY not in row["all"]


async def test_a_key_that_was_only_stored_is_fit_and_says_what_it_is_for(
    database: Database, clock: ManualClock
) -> None:
    house = House(database, clock)
    await house.add()
    row = await house.row(STORED)
    assert (row.state, row.purpose, row.revision) == (KeyState.OK, "spare", 1)
    assert (row.until, row.last_error, row.excluded, row.former, row.rotated_at) == (None, "", {}, None, None)
