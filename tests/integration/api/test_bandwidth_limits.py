"""Replication bandwidth limits over the API, and with osr."""

from __future__ import annotations

import json
from threading import Event
from time import monotonic
from typing import Any

import pytest
from django.utils import timezone

from coordinator.jobs.models import Job
from coordinator.protection.models import BandwidthLimit, HostBandwidth
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("CA-2")]

MEGABIT = 1_000_000
WINDOW: dict[str, object] = {
    "days": ["Monday", "Friday"],
    "start": "08:00",
    "end": "18:00",
    "bitsPerSecond": 20 * MEGABIT,
}


def path(program: Program, sites: Sites, name: str = "replication") -> str:
    return (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationBandwidthLimits/{name}"
    )


def wait_for_jobs(seconds: float = 20.0) -> None:
    """Until every job has ended, with a deadline."""
    pause, deadline = Event(), monotonic() + seconds
    while Job.objects.filter(finished_at=None).exists():
        assert monotonic() < deadline, "a job has not ended"
        pause.wait(0.05)


def test_a_limit_is_set_shown_changed_and_removed(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    del engine
    address = path(program, sites)
    body = {"properties": {"bitsPerSecond": MEGABIT, "windows": [WINDOW]}}
    # Without paired clouds nothing is sent, so nothing is to be done.
    assert program.send("PUT", address, json=body).status_code == 200
    pair(sites, timezone.now())
    accepted = program.send("PUT", address, json=body)
    assert accepted.status_code == 202
    assert "Azure-AsyncOperation" in accepted.headers
    wait_for_jobs()
    shown = program.send("GET", address).json()
    assert shown["properties"]["windows"] == [WINDOW]
    assert shown["properties"]["state"] == "Applied"
    assert [each["host"] for each in shown["properties"]["hosts"]] == [
        "hv1.shanghai.example",
        "hv2.shanghai.example",
    ]
    everywhere = program.send("GET", f"{program.vault_path}/replicationBandwidthLimits")
    assert [each["id"] for each in everywhere.json()["value"]] == [address]
    of_fabric = program.send("GET", address.rpartition("/")[0])
    assert len(of_fabric.json()["value"]) == 1
    assert program.send("DELETE", address).status_code == 202
    wait_for_jobs()
    assert not HostBandwidth.objects.exists()
    assert program.send("DELETE", address).status_code == 204
    assert program.send("GET", address).status_code == 404


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({}, "bitsPerSecond"),
        ({"bitsPerSecond": "1"}, "bitsPerSecond"),
        ({"bitsPerSecond": -1}, "bitsPerSecond"),
        ({"windows": {}}, "windows"),
        ({"windows": [{**WINDOW, "days": ["Mon"]}]}, "windows[0].days"),
        ({"windows": [{**WINDOW, "start": "24:01"}]}, "windows[0].start"),
        ({"windows": [{**WINDOW, "end": None}]}, "windows[0].end"),
        ({"windows": [{**WINDOW, "bitsPerSecond": 1.5}]}, "windows[0].bitsPerSecond"),
        ({"bitsPerSecond": MEGABIT, "timeZone": "Mars/Olympus"}, "timeZone"),
    ],
)
def test_a_field_at_fault_is_named_and_nothing_changes(
    program: Program, sites: Sites, properties: dict[str, Any], field: str
) -> None:
    answer = program.send("PUT", path(program, sites), json={"properties": properties})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["target"]) == ("InvalidBandwidthLimit", field)
    assert error["details"][0]["possibleCauses"]
    assert error["details"][0]["recommendedAction"]
    assert not BandwidthLimit.objects.exists()


@pytest.mark.parametrize("body", [{}, {"properties": 5}, {"properties": None}, []])
def test_a_body_of_another_form_is_refused(program: Program, sites: Sites, body: Any) -> None:
    assert program.send("PUT", path(program, sites), json=body).status_code == 400


def test_a_wrong_name_and_an_unknown_server_are_refused(program: Program, sites: Sites) -> None:
    good = {"properties": {"bitsPerSecond": MEGABIT}}
    bad_name = program.send("PUT", path(program, sites, "a%3Fb"), json=good)
    assert bad_name.json()["error"]["code"] == "InvalidResourceName"
    elsewhere = path(program, sites).replace(sites.shanghai.name, "nowhere")
    assert program.send("PUT", elsewhere, json=good).status_code == 404
    assert not BandwidthLimit.objects.exists()


@pytest.mark.spec("UI-2")
def test_osr_sets_lists_and_removes(program: Program, sites: Sites, engine: ScriptedEngine) -> None:
    del engine
    pair(sites, timezone.now())
    made = program.osr(
        "bandwidth",
        "set",
        "VMM-Shanghai",
        "--limit",
        "100Mbps",
        "--window",
        "Mon-Fri 8:00-18:00 20Mbps",
        "--time-zone",
        "Asia/Shanghai",
    )
    assert made.returncode == 0, made.stderr
    assert "succeeded" in made.stdout
    listed = program.osr("bandwidth", "list", columns=250)
    assert "Mon,Tue,Wed,Thu,Fri 08:00-18:00 20 Mbps" in listed.stdout
    assert "100 Mbps" in listed.stdout
    shown = program.osr("bandwidth", "show", "VMM-Shanghai")
    assert "hv1.shanghai.example" in shown.stdout
    assert json.loads(program.osr("bandwidth", "list", "--json").stdout)[0]["properties"][
        "timeZone"
    ] == ("Asia/Shanghai")
    for wrong in ("fast", "20 apples"):
        assert program.osr("bandwidth", "set", "VMM-Shanghai", "--limit", wrong).returncode == 2
    removed = program.osr("bandwidth", "remove", "VMM-Shanghai", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert not BandwidthLimit.objects.exists()
    assert (
        "VMM-Shanghai has no bandwidth limit."
        in program.osr("bandwidth", "remove", "VMM-Shanghai", "--yes").stdout
    )
