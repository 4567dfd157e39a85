"""Work on a leash: one piece at a time, and none once it is cut."""

import asyncio

import pytest

from streams.delivery.leash import Leash
from tests.support.virtual import virtually


def test_one_piece_at_a_time_in_the_order_of_asking() -> None:
    async def scenario() -> list[str]:
        leash, said = Leash(), list[str]()

        async def work(name: str) -> None:
            said.append(f"{name} begins")
            await asyncio.sleep(1)
            said.append(f"{name} ends")

        await asyncio.gather(leash.run(lambda: work("a")), leash.run(lambda: work("b")))
        return said

    assert virtually(scenario()) == ["a begins", "a ends", "b begins", "b ends"]


def test_what_the_work_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        virtually(Leash().run(fail))


def test_once_cut_what_goes_on_ends_and_what_waits_never_begins() -> None:
    async def scenario() -> list[str]:
        leash, said = Leash(), list[str]()

        async def work(name: str) -> None:
            said.append(name)
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(1)  # it may take a moment to end
                said.append(f"{name} ended")

        waiting = [asyncio.create_task(leash.run(lambda name=name: work(name))) for name in "ab"]  # type: ignore[misc]
        await asyncio.sleep(1)
        assert await leash.cut(5)
        assert said == ["a", "a ended"]
        await asyncio.gather(*waiting)
        await leash.run(lambda: work("c"))
        assert not leash.busy
        return said

    assert virtually(scenario()) == ["a", "a ended"]


def test_work_that_will_not_end_is_not_waited_for_for_ever() -> None:
    async def scenario() -> None:
        leash = Leash()

        async def stubborn() -> None:
            for _ in range(2):
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    continue

        task = asyncio.create_task(leash.run(stubborn))
        await asyncio.sleep(1)
        assert not await leash.cut(5)
        assert asyncio.get_running_loop().time() == pytest.approx(6)
        await task

    virtually(scenario())


def test_who_waits_is_cancelled_with_the_work() -> None:
    async def scenario() -> list[str]:
        leash, said = Leash(), list[str]()

        async def work() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                said.append("ended")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leash.run(work), 1)
        assert not leash.busy
        return said

    assert virtually(scenario()) == ["ended"]


def test_a_cancellation_from_inside_is_no_quiet_end() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="what it waited for was cancelled"):
        virtually(Leash().run(work))


def test_waiting_until_nothing_goes_on() -> None:
    async def scenario() -> None:
        leash = Leash()
        task = asyncio.create_task(leash.run(lambda: asyncio.sleep(10)))
        await asyncio.sleep(1)
        assert not await leash.idle(5.0)
        assert asyncio.get_running_loop().time() == pytest.approx(5)
        assert await leash.idle(50.0)
        assert asyncio.get_running_loop().time() == pytest.approx(10)
        await task

    virtually(scenario())
