"""Protection of many machines in one request: each for itself."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import pytest
import requests
from django.utils import timezone

from coordinator.jobs.models import Job
from coordinator.protection.models import FirstCopy, Policy, ProtectedItem
from coordinator.protection.states import ProtectionState
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, make_machine, pair, protect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("RE-1")]


def container(program: Program, sites: Sites) -> str:
    return (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )


def machine_id(program: Program, sites: Sites, name: str) -> str:
    return f"{container(program, sites)}/replicationProtectableItems/{name}"


def ask(program: Program, sites: Sites, *ids: str, request_id: str = "") -> requests.Response:
    machines = [{"protectableItemId": one} for one in ids]
    return program.send(
        "POST",
        f"{container(program, sites)}/enableProtection",
        json={"properties": {"machines": machines}},
        headers={"x-ms-client-request-id": request_id} if request_id else {},
    )


def ids(program: Program, sites: Sites) -> list[str]:
    return [machine_id(program, sites, machine.external_id) for machine in sites.machines]


def test_machines_are_protected_each_by_a_job_of_its_own(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    answers = ask(program, sites, *ids(program, sites)).json()["value"]
    assert [one["status"] for one in answers] == ["Accepted", "Accepted"]
    jobs = {str(job.id): job.target_id for job in Job.objects.all()}
    for answer, machine in zip(answers, sites.machines, strict=True):
        item = ProtectedItem.objects.get(vm_id=machine.vm_id)
        assert jobs[answer["jobId"].rpartition("/")[2]] == str(item.id)
        assert answer["protectedItemId"].endswith(f"/replicationProtectedItems/{item.name}")
    requests_in_line = {job.arguments["request"] for job in Job.objects.all()}
    assert len(requests_in_line) == 1


def test_a_machine_that_is_refused_stops_no_other(program: Program, sites: Sites) -> None:
    pairing = pair(sites, timezone.now())
    protect(pairing, sites.machines[0], timezone.now())
    unfit = make_machine(sites.gold1, "Unfit", disk_format="")
    ready = make_machine(sites.gold1, "Ready")
    wanted = [
        "no-id",
        ids(program, sites)[0],
        machine_id(program, sites, unfit.external_id),
        machine_id(program, sites, str(uuid4())),
        machine_id(program, sites, ready.external_id).replace(program.vault, "other"),
        machine_id(program, sites, ready.external_id).replace(
            sites.gold1.external_id, sites.gold2.external_id
        ),
        machine_id(program, sites, ready.external_id),
        machine_id(program, sites, ready.external_id),
    ]
    answers = ask(program, sites, *wanted).json()["value"]
    assert [one["protectableItemId"] for one in answers] == wanted
    accepted = [one for one in answers if one["status"] == "Accepted"]
    assert [one["protectableItemId"] for one in accepted] == [wanted[6]]
    refused = [one["error"] for one in answers if one["status"] == "Refused"]
    assert [error["code"] for error in refused] == [
        "InvalidResourceReference",
        "VirtualMachineAlreadyProtected",
        "DiskFormatNotSupported",
        "NotFound",
        "InvalidResourceReference",
        "InvalidResourceReference",
        "DuplicateMachine",
    ]
    for error in refused:
        assert error["message"]
        assert error["details"][0]["possibleCauses"]
        assert error["details"][0]["recommendedAction"]
    assert [job.target_name for job in Job.objects.all()] == ["Ready"]


def test_a_repeated_request_finds_its_jobs(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    first = ask(program, sites, *ids(program, sites), request_id="request-1").json()
    again = ask(program, sites, *ids(program, sites), request_id="request-1").json()
    assert again == first
    assert Job.objects.count() == 2
    other = ask(program, sites, *ids(program, sites), request_id="request-2").json()["value"]
    assert [one["error"]["code"] for one in other] == ["532", "532"]


@pytest.mark.parametrize("count", [0, 501])
def test_too_many_machines_or_none_are_refused_as_a_whole(
    program: Program, sites: Sites, count: int
) -> None:
    pair(sites, timezone.now())
    refused = ask(program, sites, *[ids(program, sites)[0]] * count)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "InvalidNumberOfMachines"
    assert "500" in refused.json()["error"]["details"][0]["possibleCauses"]
    assert not Job.objects.exists()


def test_another_policy_than_the_pairs_is_refused_of_each(program: Program, sites: Sites) -> None:
    pairing = pair(sites, timezone.now())
    other = Policy.objects.get(id=pairing.policy_id)
    other.id, other.name = uuid4(), "Other"
    other.save(force_insert=True)
    path = f"{container(program, sites)}/enableProtection"
    body = {
        "machines": [{"protectableItemId": ids(program, sites)[0]}],
        "policyId": f"{program.vault_path}/replicationPolicies/Other",
    }
    [answer] = program.send("POST", path, json={"properties": body}).json()["value"]
    assert answer["error"]["code"] == "PolicyNotOfPairing"


def test_osr_protects_all_machines_of_a_cloud(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    pair(sites, timezone.now())
    make_machine(sites.gold1, "Unfit", disk_format="")
    done = program.osr("protect", "enable", "--all-in", "GoldCloud1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {one["name"]: (one["state"], one["percent"]) for one in found} == {
        "GoldVM1": ("Protected", 100),
        "GoldVM2": ("Protected", 100),
    }
    nothing = program.osr("protect", "enable", "--all-in", "GoldCloud1")
    assert nothing.returncode == 0
    assert "No machine is left" in nothing.stdout


def test_osr_shows_each_machine_and_tells_which_failed(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    protect(pair(sites, timezone.now()), sites.machines[0], timezone.now())
    done = program.osr("protect", "enable", "GoldVM1", "GoldVM2")
    assert done.returncode == 7
    assert "GoldVM2: Protected" in done.stderr
    assert "1 of 2 machines" in done.stderr
    assert "is protected already" in done.stderr
    assert "2 machines: 0 not begun yet, 1 failed" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("GoldVM1", "--all-in", "GoldCloud1")])
def test_osr_wants_machines_or_a_cloud(
    program: Program, sites: Sites, arguments: tuple[str, ...]
) -> None:
    ended = program.osr("protect", "enable", *arguments)
    assert ended.returncode == 2
    assert "--all-in" in ended.stderr


@pytest.fixture
def scheduled(sites: Sites) -> ProtectedItem:
    """An item whose first copy waits for a time of day."""
    now = timezone.now()
    item = protect(pair(sites, now), sites.machines[0], now, ProtectionState.READY_TO_COPY)
    job = Job.objects.create(
        vault=sites.vault, scenario="EnableDr", queue="replication", created_at=now
    )
    FirstCopy.objects.create(
        item=item,
        vault=sites.vault,
        job_id=job.id,
        request="r",
        joined_at=now,
        since=now + timedelta(hours=5),
        source_host=item.primary_host,
        recovery_host=item.recovery_host,
        waits_for="First copy begins at 22:00:00 UTC",
    )
    return item


@pytest.mark.spec("RE-1", "RE-4")
def test_an_item_says_when_its_first_copy_begins_and_can_be_told_to_begin_now(
    program: Program, sites: Sites, scheduled: ProtectedItem
) -> None:
    shown = json.loads(program.osr("protect", "show", "GoldVM1", "--json").stdout)["properties"]
    assert shown["protectionState"] == "ReadyForInitialReplication"
    assert "begins at 22:00:00 UTC" in shown["protectionStateDescription"]
    assert shown["allowedOperations"] == ["StartInitialReplication", "DisableProtection"]
    begun = program.osr("protect", "start", "GoldVM1")
    assert begun.returncode == 0, begun.stderr
    copy = FirstCopy.objects.get(item=scheduled)
    assert copy.granted_at is not None
    again = program.osr("protect", "start", "GoldVM1")
    assert again.returncode == 4
    assert "OperationNotAllowed" in again.stderr
