"""How often one address may ask."""

import pytest

from autonomous_healing.safety.rates import RequestRate


def burst(rate: RequestRate, address: str, now: float, most: int = 1000) -> int:
    """How many may come at once."""
    return next(n for n in range(most) if rate.take(address, now) > 0)


def test_a_minute_holds_as_many_as_are_allowed_and_then_they_come_evenly() -> None:
    rate = RequestRate(30)

    assert burst(rate, "192.0.2.7", 100.0) == 30
    assert rate.take("192.0.2.7", 100.0) == pytest.approx(2.0)
    assert rate.take("192.0.2.7", 101.5) == pytest.approx(0.5)
    assert rate.take("192.0.2.7", 102.0) == 0.0
    assert rate.take("192.0.2.7", 102.0) == pytest.approx(2.0)


def test_what_was_refused_costs_nothing() -> None:
    rate = RequestRate(1)
    rate.take("192.0.2.7", 0.0)

    assert [round(rate.take("192.0.2.7", 1.0)) for _ in range(5)] == [59] * 5
    assert rate.take("192.0.2.7", 60.0) == 0.0


def test_after_a_quiet_minute_all_of_it_is_there_again_and_no_more() -> None:
    rate = RequestRate(10)
    burst(rate, "192.0.2.7", 0.0)

    assert burst(rate, "192.0.2.7", 60.0) == 10
    assert burst(rate, "192.0.2.7", 100_000.0) == 10


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "192.0.2.7", False),
    ],
)
def test_each_address_has_its_own_and_a_network_of_ipv6_has_one(one: str, other: str, shared: bool) -> None:
    rate = RequestRate(1)
    rate.take(one, 0.0)

    assert (rate.take(other, 0.0) > 0) is shared


def test_many_addresses_are_kept_in_bounds_and_the_quietest_is_forgotten_first() -> None:
    rate = RequestRate(1)
    rate.take("first", 0.0)
    rate.take("second", 0.0)
    for n in range(9_998):
        rate.take(f"more{n}", 0.0)
    rate.take("first", 60.0)
    rate.take("one too many", 60.0)

    assert rate.take("first", 60.0) > 0
    assert rate.take("second", 0.0) == 0.0
