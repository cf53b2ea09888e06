"""The seed's storage example on two sites of the lab, with places that are nearly full."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.topology import find_topology
from tests.e2e.test_osr import osr, osr_json

# The volume of one host only is of the same classification as the two of the example.
GOLD = (r"C:\ClusterStorage\TargetVolume1", r"\\FileServer\TargetShare1", r"D:\GoldOfOne")
# Of SILVER_TARGET one volume is full, and one share closed to placement.
SILVER = (r"\\FileServer\TargetShare2",)
DEFAULT = (r"C:\Hyper-V",)
EXPECTED = {"VM1": GOLD, "VM2": GOLD, "VM3": SILVER, "VM4": SILVER, "VM5": DEFAULT, "Large": GOLD}


@pytest.fixture
def stage() -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="osr-storage-"))
    stage = Stage(StageOptions(folder, find_topology("storage"), speed=20.0))
    try:
        stage.up(lambda _: None)
        yield stage
    finally:
        stage.down()
    shutil.rmtree(folder)


def command(stage: Stage, *arguments: str) -> None:
    done = osr(stage, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
@pytest.mark.spec("ST-3", "ST-2")
def test_the_five_machines_go_where_the_table_says(stage: Stage) -> None:
    command(stage, "policy", "create", "Storage", "--frequency", "30")
    command(stage, "pair", "create", "StorageCloud1", "StorageCloud2", "--policy", "Storage")
    command(stage, "storage", "map", "GOLD", "GOLD_TARGET")
    command(stage, "storage", "map", "SILVER", "SILVER_TARGET")
    command(stage, "protect", "enable", *EXPECTED, "--cloud", "StorageCloud1")
    moved = {
        each.details["name"]: next(iter(each.details["disks"].values()))
        for each in Sites(stage).effects()
        if each.effect == "storage.moved"
    }
    rows = osr_json(stage, "protect", "list")
    placed = {row["properties"]["friendlyName"]: row["properties"] for row in rows}
    for machine, places in EXPECTED.items():
        storage = placed[machine]["storagePlacement"]
        [disk] = storage["disks"]
        assert disk["location"].startswith(places), machine
        if places is DEFAULT:
            assert machine not in moved
        else:
            assert moved[machine].startswith(disk["location"])
            assert storage["diskPaths"] == [moved[machine]]
        assert disk["reason"]
    assert placed["VM5"]["storagePlacement"]["disks"][0]["reason"] == (
        "the host's default path: the disk is on storage without a classification"
    )
