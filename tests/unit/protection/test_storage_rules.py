from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.storage.rules import (
    GIBIBYTE,
    Classification,
    CloudHosts,
    DiskNeed,
    Location,
    choose_storage,
    mapping_failure,
    suitable_alone,
)

HOST = "bj-1.contoso.com"
HOSTS = frozenset({HOST})
# The seed's storage of the two sites, and what is mapped to what.
SOURCE = {
    r"C:\ClusterStorage\SourceVolume1": "GOLD",
    r"\\FileServer\SourceShare1": "GOLD",
    r"C:\ClusterStorage\SourceVolume2": "SILVER",
    r"\\FileServer\SourceShare2": "SILVER",
    r"C:\ClusterStorage\SourceVolume3": "",
}
TARGET = {
    r"C:\ClusterStorage\TargetVolume1": "GOLD_TARGET",
    r"\\FileServer\TargetShare1": "GOLD_TARGET",
    r"C:\ClusterStorage\TargetVolume2": "SILVER_TARGET",
    r"\\FileServer\TargetShare2": "SILVER_TARGET",
}
MAPPINGS = {"GOLD": "GOLD_TARGET", "SILVER": "SILVER_TARGET"}
GOLD_PLACES = {r"C:\ClusterStorage\TargetVolume1", r"\\FileServer\TargetShare1"}
SILVER_PLACES = {r"C:\ClusterStorage\TargetVolume2", r"\\FileServer\TargetShare2"}


def place(
    path: str, classification: str, free_gib: int | None = 100, **changes: object
) -> Location:
    location = Location(
        path=path,
        classification=classification,
        free_bytes=None if free_gib is None else free_gib * GIBIBYTE,
        hosts=HOSTS,
    )
    return replace(location, **changes)  # type: ignore[arg-type]  # names of fields, varying


def disk(classification: str, gib: int = 10, name: str = "disk.vhdx") -> DiskNeed:
    return DiskNeed(file_name=name, classification=classification, size_bytes=gib * GIBIBYTE)


@pytest.mark.parametrize(
    ("machine", "source_path", "targets"),
    [
        ("VM1", r"C:\ClusterStorage\SourceVolume1", GOLD_PLACES),
        ("VM2", r"\\FileServer\SourceShare1", GOLD_PLACES),
        ("VM3", r"C:\ClusterStorage\SourceVolume2", SILVER_PLACES),
        ("VM4", r"\\FileServer\SourceShare2", SILVER_PLACES),
        ("VM5", r"C:\ClusterStorage\SourceVolume3", {""}),
    ],
)
@pytest.mark.spec("ST-3")
def test_the_seeds_machines_go_to_the_storage_that_its_table_means(
    machine: str, source_path: str, targets: set[str]
) -> None:
    locations = [place(path, name) for path, name in TARGET.items()]
    needs = (disk(SOURCE[source_path], name=f"{machine}.vhdx"),)
    # Whichever of the two has more space: both must be chosen by turns.
    reached = set()
    for fuller in TARGET:
        with_space = [
            replace(each, free_bytes=50 * GIBIBYTE) if each.path == fuller else each
            for each in locations
        ]
        [choice] = choose_storage(needs, HOST, MAPPINGS, with_space).disks
        reached.add(choice.location)
    assert reached == targets


@pytest.mark.spec("ST-2")
def test_enough_space_comes_before_most_free_space_and_the_reason_says_so() -> None:
    small = place(r"\\FileServer\TargetShare1", "GOLD_TARGET", 4)
    large = place(r"C:\ClusterStorage\TargetVolume1", "GOLD_TARGET", 12)
    [choice] = choose_storage((disk("GOLD"),), HOST, MAPPINGS, [small, large]).disks
    assert choice.location == large.path
    assert choice.reason == "12.0 GiB free, the best of 2 places of GOLD_TARGET"
    assert choice.as_json()["target_classification"] == "GOLD_TARGET"


@pytest.mark.spec("ST-2")
def test_what_replicas_still_to_be_copied_will_take_counts_as_taken() -> None:
    promised = place("A", "GOLD_TARGET", 100, expected_bytes=95 * GIBIBYTE)
    other = place("B", "GOLD_TARGET", 20)
    [choice] = choose_storage((disk("GOLD"),), HOST, MAPPINGS, [promised, other]).disks
    assert choice.location == "B"


@pytest.mark.parametrize(
    ("classification", "locations", "reason"),
    [
        ("BRONZE", [place("A", "GOLD_TARGET")], "BRONZE is not mapped"),
        ("", [place("A", "")], "the disk is on storage without a classification"),
        ("GOLD", [place("A", "SILVER_TARGET")], f"{HOST} reaches no storage of GOLD_TARGET"),
        (
            "GOLD",
            [place("A", "GOLD_TARGET", hosts=frozenset({"bj-2.contoso.com"}))],
            f"{HOST} reaches no storage of GOLD_TARGET",
        ),
        (
            "GOLD",
            [place("A", "GOLD_TARGET", closed=True)],
            f"{HOST} reaches no storage of GOLD_TARGET",
        ),
        (
            "GOLD",
            [place("A", "GOLD_TARGET", 9)],
            "no storage of GOLD_TARGET has 10.0 GiB free for it",
        ),
    ],
)
@pytest.mark.spec("ST-2")
def test_without_a_mapping_or_a_suitable_place_the_disk_goes_to_the_default_path(
    classification: str, locations: list[Location], reason: str
) -> None:
    choice = choose_storage((disk(classification),), HOST, MAPPINGS, locations)
    assert choice.disks[0].location == ""
    assert choice.disks[0].reason == f"the host's default path: {reason}"
    assert choice.default_bytes == 10 * GIBIBYTE
    assert choice.moved == ()


@pytest.mark.spec("ST-2")
def test_a_place_of_unknown_space_is_used_when_no_known_one_has_room() -> None:
    unknown, full = place("A", "GOLD_TARGET", None), place("B", "GOLD_TARGET", 9)
    [choice] = choose_storage((disk("GOLD"),), HOST, MAPPINGS, [unknown, full]).disks
    assert (choice.location, choice.reason.split(",")[0]) == ("A", "free space not known")


@pytest.mark.spec("ST-2")
def test_disks_stay_together_where_they_can_and_share_the_room_where_they_cannot() -> None:
    disks = (disk("GOLD", 10, "a"), disk("GOLD", 30, "b"))
    roomy = [place("A", "GOLD_TARGET", 40), place("B", "GOLD_TARGET", 39)]
    assert [each.location for each in choose_storage(disks, HOST, MAPPINGS, roomy).disks] == [
        "A",
        "A",
    ]
    tight = [place("A", "GOLD_TARGET", 32), place("B", "GOLD_TARGET", 15)]
    assert [each.location for each in choose_storage(disks, HOST, MAPPINGS, tight).disks] == [
        "B",
        "A",
    ]
    tighter = [place("A", "GOLD_TARGET", 32)]
    assert [each.location for each in choose_storage(disks, HOST, MAPPINGS, tighter).disks] == [
        "",
        "A",
    ]


NAMES = st.sampled_from(["GOLD", "SILVER", "BRONZE", ""])
TARGETS = st.sampled_from(["GOLD_TARGET", "SILVER_TARGET", ""])
REACHED = st.sets(st.sampled_from([HOST, "bj-2.contoso.com"]))
PLACES = st.lists(
    st.tuples(TARGETS, st.one_of(st.none(), st.integers(0, 60)), REACHED, st.booleans()),
    max_size=6,
).map(
    lambda facts: [
        place(f"P{number}", name, free, hosts=frozenset(hosts), closed=closed)
        for number, (name, free, hosts, closed) in enumerate(facts)
    ]
)
DISKS = st.lists(st.tuples(NAMES, st.integers(1, 40)), max_size=5).map(
    lambda facts: tuple(
        disk(name, gib, f"d{number}.vhdx") for number, (name, gib) in enumerate(facts)
    )
)


@given(DISKS, PLACES, st.randoms(use_true_random=False))
@pytest.mark.spec("ST-2")
def test_no_disk_ever_goes_where_the_host_cannot_reach_or_to_another_classification(
    disks: tuple[DiskNeed, ...], places: list[Location], randomness: Random
) -> None:
    choice = choose_storage(disks, HOST, MAPPINGS, places)
    known = {each.path: each for each in places}
    taken: dict[str, int] = {}
    assert [each.file_name for each in choice.disks] == [each.file_name for each in disks]
    for need, chosen in zip(disks, choice.disks, strict=True):
        assert chosen.reason
        if chosen.location:
            location = known[chosen.location]
            assert HOST in location.hosts
            assert not location.closed
            assert location.classification == MAPPINGS[need.classification]
            taken[chosen.location] = taken.get(chosen.location, 0) + need.size_bytes
    for path, size_bytes in taken.items():
        left = known[path].left_bytes
        assert left is None or size_bytes <= left
    shuffled = list(places)
    randomness.shuffle(shuffled)
    assert choose_storage(disks, HOST, MAPPINGS, shuffled) == choice


@given(DISKS, PLACES)
@pytest.mark.spec("ST-2")
def test_a_disk_that_goes_to_the_default_path_had_no_room_or_no_mapping(
    disks: tuple[DiskNeed, ...], places: list[Location]
) -> None:
    if len(disks) != 1:
        return
    [chosen] = choose_storage(disks, HOST, MAPPINGS, places).disks
    best = suitable_alone(disks[0], HOST, MAPPINGS, places)
    assert chosen.location == ("" if best is None else best.path)


SHANGHAI = CloudHosts("GoldCloud1", frozenset({"sh-1"}))
BEIJING = CloudHosts("GoldCloud2", frozenset({"bj-1"}))
SILVER_SHANGHAI = CloudHosts("SilverCloud1", frozenset({"sh-2"}))
SILVER_BEIJING = CloudHosts("SilverCloud2", frozenset({"bj-2"}))


def classification(name: str, server: str, *hosts: str) -> Classification:
    return Classification(
        name,
        server,
        tuple(place(f"{name}-{host}", name, hosts=frozenset({host})) for host in hosts),
    )


@pytest.mark.spec("ST-1")
def test_classifications_that_both_clouds_of_a_pair_reach_can_be_mapped_whatever_their_type() -> (
    None
):
    gold = classification("GOLD", "VMM-Shanghai", "sh-1")
    target = classification("GOLD_TARGET", "VMM-Beijing", "bj-1")
    assert mapping_failure(gold, target, ((SHANGHAI, BEIJING),)) is None


@pytest.mark.spec("ST-1")
def test_a_classification_out_of_reach_of_the_clouds_is_refused_by_name() -> None:
    gold = classification("GOLD", "VMM-Shanghai", "sh-1")
    nowhere = classification("GOLD_TARGET", "VMM-Beijing")
    failure = mapping_failure(gold, nowhere, ((SHANGHAI, BEIJING),))
    assert failure is not None
    assert failure.code == "StorageClassificationNotAvailable"
    assert failure.possible_causes == (
        "No host in the host groups of GoldCloud2 reaches storage of GOLD_TARGET on VMM-Beijing.",
    )
    assert "refresh the servers" in failure.recommended_action


@pytest.mark.spec("ST-1")
def test_both_must_be_available_to_the_clouds_of_the_same_pair() -> None:
    gold = classification("GOLD", "VMM-Shanghai", "sh-1")
    silver_target = classification("SILVER_TARGET", "VMM-Beijing", "bj-2")
    pairs = ((SHANGHAI, BEIJING), (SILVER_SHANGHAI, SILVER_BEIJING))
    failure = mapping_failure(gold, silver_target, pairs)
    assert failure is not None
    assert "two clouds of one pair" in failure.possible_causes[0]


@pytest.mark.spec("ST-1")
def test_two_clouds_of_one_server_can_share_a_classification() -> None:
    gold = classification("GOLD", "VMM-Shanghai", "sh-1", "sh-2")
    assert mapping_failure(gold, gold, ((SHANGHAI, SILVER_SHANGHAI),)) is None
