"""From names to resources."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.names import container_of, pick, segment_after


@dataclass
class Properties:
    friendly_name: str | None


@dataclass
class Resource:
    name: str
    properties: Properties


CLOUDS = [
    Resource("c1", Properties("GoldCloud1")),
    Resource("c2", Properties("SilverCloud1")),
    Resource("c3", Properties("SilverCloud1")),
    Resource("c4", Properties(None)),
]


def test_a_resource_is_found_by_friendly_name_or_name_in_any_case() -> None:
    assert pick("cloud", "goldcloud1", CLOUDS).name == "c1"
    assert pick("cloud", "C3", CLOUDS).name == "c3"
    assert pick("cloud", "c4", CLOUDS).name == "c4"


def test_an_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(CommandError) as error:
        pick("cloud", "Bronze", CLOUDS)
    assert error.value.exit_code is ExitCode.NOT_FOUND
    assert "GoldCloud1" in error.value.recommended_action


def test_a_name_that_several_have_is_not_guessed() -> None:
    with pytest.raises(CommandError) as error:
        pick("cloud", "SilverCloud1", CLOUDS)
    assert "c2, c3" in error.value.recommended_action


def test_names_are_taken_out_of_ids_whatever_the_case_of_the_words() -> None:
    item = (
        "/x/y/ReplicationFabrics/f1/replicationprotectioncontainers/c1/replicationProtectedItems/i"
    )
    assert container_of(item) == ("f1", "c1")
    assert segment_after("replicationJobs", item) == ""
