"""Reads of many places: what hangs holds up nobody, and nothing old is taken for new."""

from __future__ import annotations

import asyncio

import pytest

from agent.fabric.patient_reads import PatientReads

pytestmark = pytest.mark.spec("RE-4")


class Places:
    """Places that hang until they are let; each answers with how often it has been asked."""

    def __init__(self, *hanging: str) -> None:
        self.hanging = {place: asyncio.Event() for place in hanging}
        self.asked: dict[str, int] = {}
        self.first = asyncio.Event()

    async def read(self, place: str, question: int) -> tuple[int, int]:
        self.asked[place] = self.asked.get(place, 0) + 1
        self.first.set()
        if place in self.hanging:
            await self.hanging[place].wait()
        if question < 0:
            raise ValueError(place)
        return question, self.asked[place]


async def look(
    reads: PatientReads[str, int, tuple[int, int]], patience_seconds: float | None, **asked: int
) -> dict[str, object]:
    answers = await reads.ask(asked, patience_seconds)
    return {place: answer.found for place, answer in answers.items()}


async def test_many_that_hang_cost_the_others_their_turn_for_one_look_only() -> None:
    places = Places("h1", "h2")
    reads = PatientReads(places.read, at_once=2)
    everywhere = {"h1": 0, "h2": 0, "h3": 0, "h4": 0}
    assert await look(reads, 0.01, **everywhere) == {}
    assert await look(reads, 5, **everywhere) == {"h3": (0, 1), "h4": (0, 1)}
    assert await look(reads, 5, **everywhere) == {"h3": (0, 2), "h4": (0, 2)}
    assert (places.asked["h1"], places.asked["h2"]) == (1, 1)
    reads.cancel()


async def test_a_late_answer_is_taken_in_with_the_question_it_is_to() -> None:
    places = Places("h1")
    reads = PatientReads(places.read, at_once=2)
    assert await look(reads, 0.01, h1=7) == {}
    places.hanging["h1"].set()
    answers = await reads.ask({"h1": 8})
    assert (answers["h1"].question, answers["h1"].found) == (7, (7, 1))
    assert await look(reads, 5, h1=8) == {"h1": (8, 2)}


async def test_a_failure_is_an_answer_and_the_place_is_asked_again() -> None:
    places = Places()
    reads = PatientReads(places.read, at_once=2)
    assert isinstance((await look(reads, None, h1=-1))["h1"], ValueError)
    assert await look(reads, None, h1=1) == {"h1": (1, 2)}


async def test_what_came_while_nobody_asked_is_old_and_dropped() -> None:
    places = Places("h1")
    reads = PatientReads(places.read, at_once=2)
    assert await look(reads, 0.01, h1=1) == {}
    places.hanging.pop("h1").set()
    assert await look(reads, None, h2=1) == {"h2": (1, 1)}
    assert await look(reads, None, h2=1) == {"h2": (1, 2)}
    assert await look(reads, None, h1=2) == {"h1": (2, 2)}


async def test_two_looks_at_the_same_time_have_the_same_answers() -> None:
    places = Places("h1", "h2")
    reads = PatientReads(places.read, at_once=1)
    usual = asyncio.create_task(look(reads, 5, h1=1, h2=1))
    everything = asyncio.create_task(look(reads, None, h1=1, h2=1))
    await places.first.wait()
    for hanging in places.hanging.values():
        hanging.set()
    assert await usual == await everything == {"h1": (1, 1), "h2": (1, 1)}
    assert await look(reads, 5, h1=2) == {"h1": (2, 2)}


async def test_a_look_that_gives_up_takes_no_turn_from_one_that_waits() -> None:
    places = Places("h1")
    reads = PatientReads(places.read, at_once=1)
    patient = asyncio.create_task(look(reads, None, h1=1, h2=1))
    await places.first.wait()
    assert await look(reads, 0.01, h1=1, h2=1) == {}
    places.hanging["h1"].set()
    assert await patient == {"h1": (1, 1), "h2": (1, 1)}
