"""The belt between two agents: bounded, in order, with an end, and nothing on it twice."""

import asyncio

import pytest
from tests.clock import let_others_run

from autonomous_healing.agents.belt import Belt, BeltClosed


def first_letter(word: str) -> str:
    return word[0]


async def read(belt: Belt[str]) -> list[str]:
    return [item async for item in belt]


async def test_what_is_put_on_comes_off_in_order_and_then_it_ends() -> None:
    belt: Belt[str] = Belt("line")
    for word in ("one", "two", "three"):
        await belt.put(word)
    await belt.close()

    assert len(belt) == 3
    assert await read(belt) == ["one", "two", "three"]
    assert await read(belt) == []


async def test_a_reader_waits_for_what_is_still_to_come() -> None:
    belt: Belt[str] = Belt("line")
    reading = asyncio.create_task(read(belt))
    await let_others_run()
    await belt.put("late")
    await belt.close()

    assert await reading == ["late"]


async def test_a_full_belt_holds_its_writer_until_something_is_taken_off() -> None:
    belt: Belt[str] = Belt("line", size=1)
    await belt.put("first")
    putting = asyncio.create_task(belt.put("second"))
    await let_others_run()
    assert not putting.done()
    assert len(belt) == 1

    assert await anext(belt) == "first"
    await putting
    assert await anext(belt) == "second"


async def test_nothing_can_be_put_on_after_the_end_and_a_waiting_writer_hears_of_it() -> None:
    belt: Belt[str] = Belt("line", size=1)
    await belt.put("first")
    putting = asyncio.create_task(belt.put("second"))
    await let_others_run()
    await belt.close()

    with pytest.raises(BeltClosed):
        await putting
    with pytest.raises(BeltClosed):
        await belt.put("third")
    assert await read(belt) == ["first"]


async def test_a_like_that_already_waits_is_counted_and_not_queued() -> None:
    belt: Belt[str] = Belt("line", key=first_letter)
    for word in ("apple", "avocado", "banana", "apricot"):
        await belt.put(word)
    await belt.close()

    assert belt.merged == 2
    assert await read(belt) == ["apple", "banana"]


async def test_a_like_is_queued_again_once_the_first_was_taken_off() -> None:
    belt: Belt[str] = Belt("line", key=first_letter)
    await belt.put("apple")
    assert await anext(belt) == "apple"
    await belt.put("avocado")

    assert (belt.merged, len(belt)) == (0, 1)


async def test_writers_that_waited_with_the_same_like_leave_only_one_of_it() -> None:
    belt: Belt[str] = Belt("line", size=1, key=first_letter)
    await belt.put("cherry")
    putting = [asyncio.create_task(belt.put(word)) for word in ("apple", "avocado")]
    await let_others_run()
    assert await anext(belt) == "cherry"
    await let_others_run()
    await belt.close()

    await asyncio.gather(*putting)
    assert belt.merged == 1
    assert await read(belt) == ["apple"]


async def test_without_a_key_equal_items_are_all_kept() -> None:
    belt: Belt[str] = Belt("line")
    for _ in range(3):
        await belt.put("same")
    assert (belt.merged, len(belt)) == (0, 3)
