"""How long things took lately."""

import tracemalloc
from math import ceil, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.resilience.rolling_histogram import PARTS, RollingHistogram, bucket_of, end_of

HOUR = 3600.0


def of(*seconds: float) -> RollingHistogram:
    histogram = RollingHistogram(HOUR)
    histogram.add(0.0, seconds)
    return histogram


@given(st.floats(1e-6, 3599.0))
def test_a_bucket_ends_above_its_times_by_at_most_a_sixteenth(seconds: float) -> None:
    end = end_of(bucket_of(seconds))
    assert seconds < end <= seconds * (1 + 1 / PARTS)


@pytest.mark.parametrize(
    ("odd", "like"), [(0.0, 1e-6), (-3.0, 1e-6), (1e9, 3600.0), (inf, 3600.0), (nan, 1e-6)]
)
def test_times_that_cannot_be_have_a_bucket_too(odd: float, like: float) -> None:
    assert bucket_of(odd) == bucket_of(like)


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_that_of_all_times_by_at_most_a_sixteenth(times: list[float], share: float) -> None:
    true = sorted(times)[ceil(share * len(times)) - 1]
    told = of(*times).quantile(share)
    assert told is not None
    assert true < told <= true * (1 + 1 / PARTS)


def test_of_nothing_there_is_no_quantile() -> None:
    assert of().quantile(0.95) is None


def test_what_is_an_hour_old_counts_no_more() -> None:
    histogram = of(*[9.0] * 50)
    histogram.add(1800.0, [0.5] * 50)
    assert histogram.total == 100
    assert histogram.quantile(0.95) == pytest.approx(9.0, rel=1 / PARTS)
    histogram.forget(3599.0)
    assert histogram.total == 100
    histogram.forget(3600.0)
    assert histogram.total == 50
    assert histogram.quantile(0.95) == pytest.approx(0.5, rel=1 / PARTS)
    histogram.forget(5400.0)
    assert (histogram.total, histogram.quantile(0.95)) == (0, None)


@given(st.lists(st.tuples(st.floats(0.0, 900.0), st.lists(st.floats(0.01, 9.0), max_size=9)), max_size=30))
def test_nothing_is_forgotten_before_its_hour_and_nothing_is_kept_a_slice_longer(
    history: list[tuple[float, list[float]]],
) -> None:
    histogram, now, seen = RollingHistogram(HOUR), 0.0, list[tuple[float, int]]()
    for pause, times in history:
        now += pause
        histogram.add(now, times)
        seen.append((now, len(times)))
        young = sum(count for at, count in seen if at > now - HOUR)
        not_old = sum(count for at, count in seen if at > now - HOUR * 13 / 12)
        assert young <= histogram.total <= not_old


def test_a_million_times_leave_no_more_than_some_buckets() -> None:
    histogram = RollingHistogram(HOUR)
    batch = [0.001 * 1.009**n for n in range(1000)]
    tracemalloc.start()
    for second in range(1000):
        histogram.add(second * 10.0, batch)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert histogram.total >= 360_000
    assert held < 400_000  # bytes; 13 slices of some 230 buckets take about 250 000
