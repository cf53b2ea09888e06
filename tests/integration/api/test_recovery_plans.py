"""Recovery plans with Microsoft's client: made, read, changed, cloned, restored, deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.config.waiting import wait_for
from coordinator.jobs.models import Job, OperationLock
from coordinator.protection.models import ProtectedItem
from coordinator.recovery.models import PlanMember, PlanRevision, RecoveryPlan
from tests.integration.api.programs import API_VERSION, Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, make_machine, pair, protect

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("AP-1"),
    pytest.mark.spec("RP-1"),
]


@pytest.fixture
def items(sites: Sites) -> list[ProtectedItem]:
    """Three protected machines: GoldVM1, GoldVM2, GoldVM3."""
    now = timezone.now()
    pairing = pair(sites, now)
    machines = (*sites.machines, make_machine(sites.gold1, "GoldVM3"))
    return [protect(pairing, machine, now) for machine in machines]


def idle() -> bool:
    """Whether every job has ended."""
    return not OperationLock.objects.exists()


def item_id(program: Program, sites: Sites, item: ProtectedItem) -> str:
    return (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
        f"/replicationProtectedItems/{item.name}"
    )


def boot(
    program: Program, sites: Sites, items: Sequence[ProtectedItem], **actions: Any
) -> asr.RecoveryPlanGroup:
    return asr.RecoveryPlanGroup(
        group_type="Boot",
        replication_protected_items=[
            asr.RecoveryPlanProtectedItem(
                id=item_id(program, sites, item), virtual_machine_id=item.vm_id
            )
            for item in items
        ],
        **actions,
    )


def plan_input(
    program: Program, sites: Sites, groups: Sequence[asr.RecoveryPlanGroup]
) -> asr.CreateRecoveryPlanInput:
    fabrics = f"{program.vault_path}/replicationFabrics"
    return asr.CreateRecoveryPlanInput(
        properties=asr.CreateRecoveryPlanInputProperties(
            primary_fabric_id=f"{fabrics}/{sites.shanghai.name}",
            recovery_fabric_id=f"{fabrics}/{sites.beijing.name}",
            failover_deployment_model="NotApplicable",
            groups=list(groups),
        )
    )


def script(name: str = "Start the application") -> asr.RecoveryPlanAction:
    return asr.RecoveryPlanAction(
        action_name=name,
        failover_types=["PlannedFailover", "UnplannedFailover"],
        failover_directions=["PrimaryToRecovery"],
        custom_details=asr.RecoveryPlanScriptActionDetails(
            path="\\RPScripts\\Start.ps1", fabric_location="Recovery", timeout="00:05:00"
        ),
    )


def manual() -> asr.RecoveryPlanAction:
    return asr.RecoveryPlanAction(
        action_name="Look at it",
        failover_types=["TestFailover"],
        failover_directions=["PrimaryToRecovery"],
        custom_details=asr.RecoveryPlanManualActionDetails(description="See that it runs."),
    )


def make(program: Program, sites: Sites, items: Sequence[ProtectedItem], name: str = "App") -> Any:
    """A plan: the first machine in group 1, the second in group 2 with actions."""
    groups = [
        asr.RecoveryPlanGroup(group_type="Shutdown", end_group_actions=[script("Tell")]),
        boot(program, sites, items[:1]),
        boot(
            program,
            sites,
            items[1:2],
            start_group_actions=[script()],
            end_group_actions=[manual()],
        ),
    ]
    plans = program.site_recovery.replication_recovery_plans
    body = plan_input(program, sites, groups)
    return plans.begin_create(*program.scope, name, body).result()


@pytest.mark.spec("RP-2")
def test_the_sdk_makes_reads_and_lists_a_plan(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    plan = make(program, sites, items)
    assert plan.id == f"{program.vault_path}/replicationRecoveryPlans/App"
    assert plan.type == "Microsoft.RecoveryServices/vaults/replicationRecoveryPlans"
    told = plan.properties
    assert (told.friendly_name, told.failover_deployment_model) == ("App", "NotApplicable")
    assert told.primary_fabric_friendly_name == "VMM-Shanghai"
    assert told.recovery_fabric_friendly_name == "VMM-Beijing"
    assert told.replication_providers == ["HyperVReplica2012R2"]
    assert "PlannedFailover" in told.allowed_operations
    assert (told.current_scenario.scenario_name, told.current_scenario_status) == ("None", "None")
    assert told.last_planned_failover_time is None
    assert [group.group_type for group in told.groups] == ["Shutdown", "Failover", "Boot", "Boot"]
    first, second = told.groups[2:]
    assert [one.id for one in first.replication_protected_items] == [
        item_id(program, sites, items[0])
    ]
    assert second.replication_protected_items[0].virtual_machine_id == items[1].vm_id
    action, looked_at = second.start_group_actions[0], second.end_group_actions[0]
    assert isinstance(action.custom_details, asr.RecoveryPlanScriptActionDetails)
    assert action.custom_details.path == "\\RPScripts\\Start.ps1"
    assert action.custom_details.timeout == "PT5M"
    assert action.custom_details.fabric_location == "Recovery"
    assert action.failover_types == ["PlannedFailover", "UnplannedFailover"]
    assert isinstance(looked_at.custom_details, asr.RecoveryPlanManualActionDetails)
    assert looked_at.custom_details.description == "See that it runs."
    plans = program.site_recovery.replication_recovery_plans
    assert plans.get(*program.scope, "app").id == plan.id
    assert [one.name for one in plans.list(*program.scope)] == ["App"]
    [job] = Job.objects.all()
    assert (job.scenario, job.friendly_name) == ("UpdateRecoveryPlan", "Save a recovery plan")
    assert job.arguments["affected_objects"]["GoldVM1"] == "put into group 1"
    assert [task["name"] for task in job.tasks] == ["SaveRecoveryPlanTask"]


def test_what_was_read_can_be_sent_back_changed(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    plan = make(program, sites, items)
    groups = plan.properties.groups
    groups[2].replication_protected_items += groups[3].replication_protected_items
    groups[3].replication_protected_items = boot(
        program, sites, items[2:]
    ).replication_protected_items
    plans = program.site_recovery.replication_recovery_plans
    wanted = asr.UpdateRecoveryPlanInput(
        properties=asr.UpdateRecoveryPlanInputProperties(groups=groups)
    )
    changed = plans.begin_update(*program.scope, "App", wanted).result()
    names = [
        [one["friendlyName"] for one in group.replication_protected_items]
        for group in changed.properties.groups
    ]
    assert names == [[], [], ["GoldVM1", "GoldVM2"], ["GoldVM3"]]
    assert changed.properties.groups[3].start_group_actions[0].action_name == script().action_name
    assert changed.properties["revision"] == 2
    job = Job.objects.latest("created_at")
    assert job.arguments["affected_objects"] == {
        "GoldVM2": "moved from group 2 to group 1",
        "GoldVM3": "put into group 2",
    }


def test_a_change_made_from_an_older_revision_is_refused(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    make(program, sites, items)
    path = f"{program.vault_path}/replicationRecoveryPlans/App"
    answer = program.send("GET", path)
    groups = answer.json()["properties"]["groups"]
    etag = answer.headers["ETag"]
    assert answer.json()["etag"] == etag
    body = {"properties": {"groups": groups}}
    plans = program.site_recovery.replication_recovery_plans
    update = asr.UpdateRecoveryPlanInput(body)
    plans.begin_update(*program.scope, "App", update, headers={"If-Match": etag}).result()
    late = program.send("PATCH", path, json=body, headers={"If-Match": etag})
    assert late.status_code == 412
    assert late.json()["error"]["code"] == "RecoveryPlanChanged"
    assert RecoveryPlan.objects.get().revision == 2
    wrong = program.send("PATCH", path, json=body, headers={"If-Match": "x"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "InvalidIfMatch")


def test_a_plan_that_is_busy_is_neither_changed_nor_deleted(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    make(program, sites, items)
    engine.hold()
    plans = program.site_recovery.replication_recovery_plans
    body = plan_input(program, sites, [boot(program, sites, items)])
    plans.begin_create(*program.scope, "App", body, polling=False)
    busy = plans.get(*program.scope, "App").properties
    assert busy.current_scenario.scenario_name == "UpdateRecoveryPlan"
    assert busy.current_scenario_status in {"NotStarted", "InProgress"}
    assert busy.allowed_operations == []
    attempts: list[Callable[[], Any]] = [
        lambda: plans.begin_delete(*program.scope, "App"),
        lambda: plans.begin_create(*program.scope, "App", body),
    ]
    for begin in attempts:
        with pytest.raises(HttpResponseError) as refused:
            begin()
        assert error_of(refused.value)["code"] == "532"
    engine.release()
    assert RecoveryPlan.objects.get().revision == 2


def test_a_plan_is_cloned_and_deleted(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    make(program, sites, items)
    path = f"{program.vault_path}/replicationRecoveryPlans/App"
    answer = program.send("POST", f"{path}/clone", json={"properties": {"name": "App copy"}})
    assert answer.status_code == 202
    assert "/replicationRecoveryPlans/App%20copy/operationresults/" in answer.headers["Location"]
    again = program.send("POST", f"{path}/clone", json={"properties": {"name": "APP COPY"}})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NameInUse")
    plans = program.site_recovery.replication_recovery_plans
    one, copy = (plans.get(*program.scope, name).properties for name in ("App", "App copy"))
    assert one.groups == copy.groups
    wait_for("the clone's job", idle, 20)
    for _ in range(2):
        assert plans.begin_delete(*program.scope, "App copy").result() is None
    with pytest.raises(ResourceNotFoundError):
        plans.get(*program.scope, "App copy")
    assert [plan.name for plan in plans.list(*program.scope)] == ["App"]


def test_saves_are_kept_and_one_of_them_is_brought_back(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    make(program, sites, items)
    plans = program.site_recovery.replication_recovery_plans
    body = plan_input(program, sites, [boot(program, sites, items[2:])])
    plans.begin_create(*program.scope, "App", body).result()
    path = f"{program.vault_path}/replicationRecoveryPlans/App"
    kept = program.send("GET", f"{path}/revisions").json()["value"]
    assert [one["properties"]["revision"] for one in kept] == [2, 1]
    newest = kept[0]["properties"]
    assert (newest["savedBy"], newest["machines"], newest["current"]) == ("tests", 1, True)
    assert newest["changes"][:3] == [
        "GoldVM3: put into group 1",
        "GoldVM1: taken out",
        "GoldVM2: taken out",
    ]
    assert len(newest["changes"]) == 6
    answer = program.send("POST", f"{path}/revisions/1/restore")
    assert answer.status_code == 202
    back = plans.get(*program.scope, "App").properties
    assert [len(group.replication_protected_items) for group in back.groups] == [0, 0, 1, 1]
    assert back.groups[3].start_group_actions[0].action_name == script().action_name
    assert PlanRevision.objects.count() == 3
    for number in ("9", "x"):
        gone = program.send("POST", f"{path}/revisions/{number}/restore")
        assert gone.status_code == 404


def test_a_machine_that_is_protected_no_more_is_shown_and_left_out(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    make(program, sites, items)
    protected = program.site_recovery.replication_protected_items
    where = (sites.shanghai.name, sites.gold1.external_id, items[1].name)
    assert protected.get(*program.scope, *where).properties["recoveryPlans"] == ["App"]
    wanted = asr.DisableProtectionInput(properties=asr.DisableProtectionInputProperties())
    protected.begin_delete(*program.scope, *where, wanted).result()
    job = Job.objects.get(scenario="DisableDr")
    assert job.arguments["affected_objects"] == {"Recovery plan App": "leaves the machine out"}
    plans = program.site_recovery.replication_recovery_plans
    second = plans.get(*program.scope, "App").properties.groups[3]
    assert second.replication_protected_items == []
    assert second["removedItems"] == [
        {"friendlyName": "GoldVM2", "virtualMachineId": items[1].vm_id}
    ]
    assert PlanMember.objects.filter(item=None).count() == 1
    # Its id, from an older reading, is refused in words.
    body = plan_input(program, sites, [boot(program, sites, items)])
    with pytest.raises(HttpResponseError) as refused:
        plans.begin_create(*program.scope, "App", body)
    error = error_of(refused.value)
    assert error["code"] == "RecoveryPlanMachineGone"
    assert error["target"] == "properties.groups[0].replicationProtectedItems[1]"
    # With the next save it goes altogether.
    body = plan_input(program, sites, [boot(program, sites, [items[0], items[2]])])
    plans.begin_create(*program.scope, "App", body).result()
    assert not PlanMember.objects.filter(item=None).exists()


def test_items_are_listed_by_the_plan_they_are_in(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    make(program, sites, items)
    path = f"{program.vault_path}/replicationProtectedItems"
    found = program.send(
        "GET", path, params={**API_VERSION, "$filter": "recoveryPlanName eq 'app'"}
    ).json()
    names = [one["properties"]["friendlyName"] for one in found["value"]]
    assert names == ["GoldVM1", "GoldVM2"]


@pytest.mark.spec("VA-5")
@pytest.mark.spec("EN-8")
def test_servers_and_vaults_with_plans_are_not_removed(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    make(program, sites, items)
    with pytest.raises(HttpResponseError) as refused:
        program.site_recovery.replication_fabrics.begin_delete(*program.scope, sites.beijing.name)
    error = error_of(refused.value)
    assert error["code"] == "ServerInUse"
    assert 'the recovery plan "App"' in error["message"]
    with pytest.raises(HttpResponseError) as refused:
        program.recovery_services.vaults.begin_delete(*program.scope).result()
    assert 'recovery plan "App"' in error_of(refused.value)["message"]


@pytest.mark.spec("AP-2")
def test_what_belongs_to_azure_is_refused_as_such(
    program: Program, sites: Sites, items: list[ProtectedItem]
) -> None:
    plans = program.site_recovery.replication_recovery_plans
    runbook = asr.RecoveryPlanAction(
        action_name="Run",
        failover_types=["PlannedFailover"],
        failover_directions=["PrimaryToRecovery"],
        custom_details=asr.RecoveryPlanAutomationRunbookActionDetails(
            runbook_id="/subscriptions/x", fabric_location="Recovery"
        ),
    )
    groups = [boot(program, sites, items[:1], start_group_actions=[runbook])]
    body = plan_input(program, sites, groups)
    with pytest.raises(HttpResponseError) as refused:
        plans.begin_create(*program.scope, "App", body)
    assert error_of(refused.value)["code"] == "RecoveryPlanActionNotSupported"
    body = plan_input(program, sites, [boot(program, sites, items[:1])])
    body.properties.provider_specific_input = [asr.RecoveryPlanA2AInput(primary_zone="1")]
    with pytest.raises(HttpResponseError) as refused:
        plans.begin_create(*program.scope, "App", body)
    assert error_of(refused.value)["code"] == "RecoveryPlanProviderNotSupported"
    assert not RecoveryPlan.objects.exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("another pair", "RecoveryPlanMachineOfAnotherPair"),
        ("a plan in a plan", "RecoveryPlanMachineGone"),
        ("twice", "RecoveryPlanMachineTwice"),
        ("empty", "RecoveryPlanGroupEmpty"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_words(
    program: Program, sites: Sites, items: list[ProtectedItem], change: str, code: str
) -> None:
    groups = [boot(program, sites, items[:2])]
    body = plan_input(program, sites, groups)
    wanted = body.properties
    if change == "another pair":
        wanted.primary_fabric_id, wanted.recovery_fabric_id = (
            wanted.recovery_fabric_id,
            wanted.primary_fabric_id,
        )
    elif change == "twice":
        wanted.groups = [*groups, boot(program, sites, items[1:])]
    elif change == "empty":
        wanted.groups = [*groups, boot(program, sites, [])]
    else:
        plan_id = f"{program.vault_path}/replicationRecoveryPlans/App"
        member = asr.RecoveryPlanProtectedItem(id=plan_id)
        wanted.groups = [
            asr.RecoveryPlanGroup(group_type="Boot", replication_protected_items=[member])
        ]
    plans = program.site_recovery.replication_recovery_plans
    with pytest.raises(HttpResponseError) as refused:
        plans.begin_create(*program.scope, "App", body)
    error = error_of(refused.value)
    assert error["code"] == code
    assert error["details"][0]["possibleCauses"]
    assert error["details"][0]["recommendedAction"]
    assert error["target"].startswith("properties.groups")
    assert not RecoveryPlan.objects.exists()


def test_the_servers_of_a_plan_cannot_be_changed(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> None:
    del engine
    make(program, sites, items)
    body = plan_input(program, sites, [boot(program, sites, items[:1])])
    body.properties.recovery_fabric_id = body.properties.primary_fabric_id
    plans = program.site_recovery.replication_recovery_plans
    with pytest.raises(HttpResponseError) as refused:
        plans.begin_create(*program.scope, "App", body)
    assert error_of(refused.value)["code"] == "RecoveryPlanServersFixed"


@pytest.mark.spec("RP-6")
def test_two_thousand_machines_go_in_one_request_and_come_back(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    del engine
    now = timezone.now()
    pairing = pair(sites, now)
    machine = protect(pairing, sites.machines[0], now)
    many = ProtectedItem.objects.bulk_create(
        ProtectedItem(
            vault=sites.vault,
            pairing=pairing,
            name=str(uuid4()),
            friendly_name=f"vm-{number:04}",
            vm_id=str(uuid4()),
            protectable_item_id=machine.protectable_item_id,
            state=machine.state,
            primary_host=machine.primary_host,
            created_at=now,
        )
        for number in range(2000)
    )
    plans = program.site_recovery.replication_recovery_plans
    body = plan_input(
        program, sites, [boot(program, sites, many[:1000]), boot(program, sites, many[1000:])]
    )
    begun = monotonic()
    made = plans.begin_create(*program.scope, "Large", body).result()
    assert [len(group.replication_protected_items) for group in made.properties.groups[2:]] == [
        1000,
        1000,
    ]
    [listed] = plans.list(*program.scope)
    assert listed.properties.groups[3].replication_protected_items[999].virtual_machine_id == (
        many[-1].vm_id
    )
    # Far from the limit of a client's patience, on a busy machine as well.
    assert monotonic() - begun < 20
