"""What the spool keeps while the database is away, and what a damaged disk costs."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.database.rows import Record
from autonomous_healing.database.spool import Spool, SpoolInUse
from autonomous_healing.database.spool_format import frame, unframe

MB = 1024 * 1024


def event(number: int, size: int = 20) -> Record:
    return Record("error_events", b'{"id": %d, "text": "%s"}' % (number, b"x" * size))


def trail(number: int, size: int = 20) -> Record:
    return Record("trails", b'{"id": %d, "text": "%s"}' % (number, b"x" * size))


def drained(spool: Spool, rows: int = 7) -> list[Record]:
    found: list[Record] = []
    while head := spool.head(rows, MB):
        found += head
        spool.settle(head, ())
    return found


def reopened(spool: Spool, directory: Path) -> Spool:
    spool.close()
    return Spool(directory, MB)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.spool"))


def test_gives_back_what_it_got_in_the_same_order(tmp_path: Path) -> None:
    spool, events = Spool(tmp_path, MB), [event(n) for n in range(100)]
    for first in range(0, 100, 10):
        spool.append(events[first : first + 10])

    assert spool.records == 100
    assert drained(spool) == events
    assert (spool.records, spool.size, segments(tmp_path)) == (0, 0, [])


def test_takes_new_records_while_the_old_ones_are_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([event(1), event(2)])
    head = spool.head(1, MB)
    spool.append([event(3)])
    spool.settle(head, ())

    assert drained(spool) == [event(2), event(3)]


def test_what_could_not_be_stored_stays_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([event(n) for n in range(5)])
    head = spool.head(3, MB)
    spool.settle(head, head[1:])

    assert drained(spool) == [event(1), event(2), event(3), event(4)]


def test_a_head_is_bounded_by_bytes_but_never_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([event(n, size=1000) for n in range(5)])

    assert len(spool.head(250, 1)) == 1
    assert len(spool.head(250, 2500)) == 3


def test_trails_come_after_all_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([trail(1), event(2), trail(3), event(4)])

    assert drained(spool) == [event(2), event(4), trail(1), trail(3)]


def test_a_new_run_finds_what_the_last_one_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([event(1), trail(2)])
    spool = reopened(spool, tmp_path)
    spool.append([event(3)])

    assert spool.records == 3
    assert drained(reopened(spool, tmp_path)) == [event(1), event(3), trail(2)]


def test_a_segment_that_was_half_stored_is_given_again_after_a_crash(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([event(1), event(2)])
    spool.settle(spool.head(1, MB), ())

    assert drained(reopened(spool, tmp_path)) == [event(1), event(2)]


@pytest.mark.parametrize("cut", [1, 2, 10, 30])
def test_a_torn_tail_costs_only_the_last_record(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([event(1), event(2), event(3)])
    spool.close()
    [file] = segments(tmp_path)
    file.write_bytes(file.read_bytes()[:-cut])

    spool = Spool(tmp_path, MB)
    spool.append([event(4)])

    whole = [event(1), event(2), event(3)] if cut == 1 else [event(1), event(2)]
    assert spool.damaged == (cut > 1)
    assert drained(spool) == [*whole, event(4)]


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_only_its_own_record(position: int, bit: int) -> None:
    events = [event(n) for n in range(9)]
    blob = bytearray(b"".join(map(frame, events)))
    place = position % len(blob)
    blob[place] ^= 1 << bit

    records, damaged = unframe(bytes(blob))

    hit = place // len(frame(events[0]))
    on_the_line_break = place % len(frame(events[0])) == len(frame(events[0])) - 1
    if on_the_line_break:
        assert (records, damaged) == (events, 0)
    else:
        assert records == events[:hit] + events[hit + 1 :]
        assert damaged in (1, 2)


def test_a_file_of_garbage_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "kept-000000000001.spool").write_bytes(bytes(range(256)) * 10)
    spool = Spool(tmp_path, MB)
    spool.append([event(1)])

    assert spool.damaged > 0
    assert drained(spool) == [event(1)]


def test_the_oldest_trails_make_room_and_are_counted_exactly(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 20_000)
    dropped = sum(spool.append([trail(n, size=150)]) for n in range(500))

    left = drained(spool)

    assert dropped > 0
    assert dropped + len(left) == 500
    assert left == [trail(n, size=150) for n in range(dropped, 500)]


def test_events_push_trails_out_and_are_themselves_never_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 20_000)
    assert spool.append([trail(n, size=150) for n in range(50)]) == 0

    dropped = sum(spool.append([event(n, size=150)]) for n in range(500))

    assert dropped == 50
    assert spool.is_over_bound
    assert drained(spool) == [event(n, size=150) for n in range(500)]


def test_new_trails_are_dropped_when_events_fill_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1600)
    spool.append([event(n, size=150) for n in range(12)])

    assert spool.append([trail(1), trail(2)]) == 2
    assert spool.records == 12


def test_stays_within_its_bound_while_there_are_trails(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 50_000)
    for number in range(300):
        spool.append([trail(number, size=500), event(number, size=20)])
        assert sum(file.stat().st_size for file in segments(tmp_path)) == spool.size <= 50_000


def test_trails_that_are_being_stored_are_not_taken_away(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 2000)
    spool.append([trail(1, size=900)])
    head = spool.head(10, MB)
    spool.append([event(2, size=1500)])
    spool.settle(head, ())

    assert drained(spool) == [event(2, size=1500)]


def test_refuses_a_second_copy_on_the_same_directory(tmp_path: Path) -> None:
    first = Spool(tmp_path, MB)
    with pytest.raises(SpoolInUse, match="another running copy"):
        Spool(tmp_path, MB)

    first.close()
    assert Spool(tmp_path, MB).records == 0


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MB)
    spool.append([event(1)])

    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "spool").iterdir()} == {0o600}


def test_is_on_disk_after_a_sync_although_segments_have_changed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 20_000)
    spool.append([event(n, size=500) for n in range(3)])
    spool.append([event(n, size=500) for n in range(3)])
    spool.sync()
    spool.sync()

    assert len(segments(tmp_path)) == 2
    assert spool.records == 6
