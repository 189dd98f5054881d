"""The exchange's own calendar, as its library knows it."""

from datetime import UTC, date, datetime

import pytest

from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, load_market_hours

NOW = datetime(2026, 7, 6, 15, 0, tzinfo=UTC)


# The calendars' library uses what its own library will change.
@pytest.mark.filterwarnings("ignore:Series.values")
def test_new_york_rests_on_its_holidays_and_closes_early_before_them() -> None:
    hours = load_market_hours("XNYS", NOW)
    thursday, sunday = datetime(2026, 7, 2, tzinfo=UTC), datetime(2026, 7, 5, tzinfo=UTC)
    assert hours.open_seconds(thursday, sunday) == 6.5 * 3600  # the third was a holiday
    assert hours.last_session(sunday) == date(2026, 7, 2)
    november = datetime(2026, 11, 27, tzinfo=UTC)  # the day after Thanksgiving
    assert hours.open_seconds(november, november.replace(day=28)) == 3.5 * 3600


@pytest.mark.filterwarnings("ignore:Series.values")
def test_a_calendar_goes_by_its_name() -> None:
    assert isinstance(load_market_hours("always_open", NOW), AlwaysOpen)
    with pytest.raises(ValueError, match="unknown market calendar 'NOWHERE'; XNYS is one"):
        load_market_hours("NOWHERE", NOW)
