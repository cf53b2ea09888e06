"""What the failover family and plans cannot do, asked for with Microsoft's client: refused whole.

Each refusal has code, message, possible causes and recommended action, and leaves every table as it
was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.db import connection

from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ProtectionState
from coordinator.recovery.models import PlanMember, RecoveryPlan
from tests.integration.api.bad_input.scene import Scene, fingerprint
from tests.integration.api.programs import error_of

pytestmark = [pytest.mark.django_db, pytest.mark.spec("AP-1", "PO-4")]

S = ProtectionState
Ask = Callable[[Any, tuple[str, ...]], object]
PLAN = "Plan-1"
ITEMS_ADDRESS = (
    "{vault}/replicationFabrics/{shanghai}/replicationProtectionContainers/{gold1}"
    "/replicationProtectedItems"
)
ITEM = f"{ITEMS_ADDRESS}/{{item}}"


def refused(scene: Scene, code: str, ask: Callable[[], object]) -> Mapping[str, Any]:
    """The error of a request that is refused with all four parts and changes nothing."""
    before = fingerprint()
    with pytest.raises(HttpResponseError) as caught:
        ask()
    error = error_of(caught.value)
    assert (error["code"], caught.value.status_code in {400, 404, 409}) == (code, True), error
    assert error["message"]
    assert error["details"][0]["possibleCauses"], error
    assert error["details"][0]["recommendedAction"], error
    assert fingerprint() == before, scene
    return error


def commit(work: Callable[[], object]) -> None:
    """Changes the database so that the API's process sees it: beside the test's transaction."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()


def change(item: ProtectedItem, **fields: object) -> None:
    commit(lambda: ProtectedItem.objects.filter(id=item.id).update(**fields))


@pytest.fixture
def item(scene: Scene) -> Iterator[ProtectedItem]:
    """The machine of the scene, which is as it was when the test is over."""
    found = ProtectedItem.objects.get(vault__subscription_id=scene.program.subscription_id)
    yield found
    change(found, state=S.PROTECTED, active_location="Primary", failover_type="")


def address(scene: Scene, item: ProtectedItem) -> tuple[str, ...]:
    return (*scene.program.scope, scene.names["shanghai"], scene.names["gold1"], item.name)


PLANNED = asr.PlannedFailoverInput(
    properties=asr.PlannedFailoverInputProperties(failover_direction="PrimaryToRecovery")
)
UNPLANNED = asr.UnplannedFailoverInput(
    properties=asr.UnplannedFailoverInputProperties(
        failover_direction="PrimaryToRecovery", source_site_operations="NotRequired"
    )
)
DRILL = asr.TestFailoverInput(
    properties=asr.TestFailoverInputProperties(
        failover_direction="PrimaryToRecovery", network_type="NoNetworkAttachAsInput"
    )
)
CLEAN_UP = asr.TestFailoverCleanupInput(
    properties=asr.TestFailoverCleanupInputProperties(comments="Seen.")
)
REPROTECT = asr.ReverseReplicationInput(
    properties=asr.ReverseReplicationInputProperties(failover_direction="PrimaryToRecovery")
)
POINT = asr.ApplyRecoveryPointInput(
    properties=asr.ApplyRecoveryPointInputProperties(
        provider_specific_details=asr.HyperVReplicaAzureApplyRecoveryPointInput()
    )
)
OPERATIONS: Mapping[str, Ask] = {
    "PlannedFailover": lambda items, at: items.begin_planned_failover(*at, PLANNED),
    "UnplannedFailover": lambda items, at: items.begin_unplanned_failover(*at, UNPLANNED),
    "TestFailover": lambda items, at: items.begin_test_failover(*at, DRILL),
    "TestFailoverCleanup": lambda items, at: items.begin_test_failover_cleanup(*at, CLEAN_UP),
    "Commit": lambda items, at: items.begin_failover_commit(*at),
    "CancelFailover": lambda items, at: items.begin_failover_cancel(*at),
    "ReverseReplicate": lambda items, at: items.begin_reprotect(*at, REPROTECT),
}
# What each state allows of them; the way out of the scene's other states is not begun here.
FAILED_OVER = {"Commit", "CancelFailover", "ReverseReplicate"}
ALLOWED: Mapping[ProtectionState, set[str]] = {
    S.PROTECTED: {"PlannedFailover", "UnplannedFailover", "TestFailover"},
    S.COMMIT_PENDING: FAILED_OVER,
    S.UNPLANNED_COMMIT_PENDING: FAILED_OVER,
    S.COMMITTED: {"ReverseReplicate"},
    S.PLANNED_FAILOVER_FAILED: {"PlannedFailover", "UnplannedFailover", "CancelFailover"},
    S.UNPLANNED_FAILOVER_FAILED: {"UnplannedFailover", "CancelFailover"},
    S.CHANGING_POINT_FAILED: {"CancelFailover"},
    S.CANCELLING_FAILED: {"CancelFailover"},
    S.FAILOVER_ABANDONED: {"UnplannedFailover", "CancelFailover"},
    S.REVERSING_FAILED: {"ReverseReplicate"},
}
WRONG = [
    (state, operation)
    for state in ProtectionState
    for operation in OPERATIONS
    if operation not in ALLOWED.get(state, set())
]


@pytest.mark.spec("FO-6")
@pytest.mark.parametrize(("state", "operation"), WRONG)
def test_an_operation_in_a_wrong_state(
    scene: Scene, item: ProtectedItem, state: ProtectionState, operation: str
) -> None:
    change(item, state=state)
    items = scene.program.site_recovery.replication_protected_items
    at = address(scene, item)
    error = refused(scene, "OperationNotAllowed", lambda: OPERATIONS[operation](items, at))
    assert str(state) in error["message"]


@pytest.mark.spec("FO-3", "FO-4", "FO-1")
@pytest.mark.parametrize("operation", ["unplanned", "test", "change"])
def test_a_recovery_point_that_is_gone(scene: Scene, item: ProtectedItem, operation: str) -> None:
    gone = str(scene.fill(f"{ITEM}/recoveryPoints/gone"))
    items = scene.program.site_recovery.replication_protected_items
    point = asr.HyperVReplicaAzureUnplannedFailoverInput(recovery_point_id=gone)
    asks: dict[str, Callable[[], object]] = {
        "unplanned": lambda: items.begin_unplanned_failover(
            *address(scene, item),
            asr.UnplannedFailoverInput(
                properties=asr.UnplannedFailoverInputProperties(provider_specific_details=point)
            ),
        ),
        "test": lambda: items.begin_test_failover(
            *address(scene, item),
            asr.TestFailoverInput(
                properties=asr.TestFailoverInputProperties(
                    network_type="NoNetworkAttachAsInput",
                    provider_specific_details=asr.HyperVReplicaAzureTestFailoverInput(
                        recovery_point_id=gone
                    ),
                )
            ),
        ),
        "change": lambda: items.begin_apply_recovery_point(
            *address(scene, item),
            asr.ApplyRecoveryPointInput(
                properties=asr.ApplyRecoveryPointInputProperties(
                    recovery_point_id=gone,
                    provider_specific_details=asr.HyperVReplicaAzureApplyRecoveryPointInput(),
                )
            ),
        ),
    }
    if operation == "change":
        pending = S.UNPLANNED_COMMIT_PENDING
        change(item, state=pending, active_location="Recovery", failover_type="Unplanned")
    error = refused(scene, "RecoveryPointNotFound", asks[operation])
    assert "point-1" in error["message"]


def group(*ids: str, **actions: Any) -> asr.RecoveryPlanGroup:
    members = [asr.RecoveryPlanProtectedItem(id=each) for each in ids]
    return asr.RecoveryPlanGroup(group_type="Boot", replication_protected_items=members, **actions)


def script(path: str) -> asr.RecoveryPlanAction:
    return asr.RecoveryPlanAction(
        action_name="Tell",
        failover_types=["PlannedFailover"],
        failover_directions=["PrimaryToRecovery"],
        custom_details=asr.RecoveryPlanScriptActionDetails(path=path, fabric_location="Recovery"),
    )


OUTSIDE = (
    r"\..\secret.ps1",
    r"RPScripts\..\..\x.ps1",
    r"C:\Windows\x.ps1",
    r"\\elsewhere\share\x.ps1",
    "/../x.ps1",
    r"RPScripts\x.exe",
    r"RPScripts\nul.ps1",
    "x.ps1\n",
)
# What is asked of a plan's groups, and the code it is refused with.
BAD_GROUPS: Mapping[str, tuple[str, Callable[[Scene], list[asr.RecoveryPlanGroup]]]] = {
    "an empty group": (
        "RecoveryPlanGroupEmpty",
        lambda scene: [group(known(scene)), group()],
    ),
    "no group": ("RecoveryPlanWithoutMachines", lambda _: []),
    "a machine twice in a group": (
        "RecoveryPlanMachineTwice",
        lambda scene: [group(known(scene), known(scene))],
    ),
    "a machine in two groups": (
        "RecoveryPlanMachineTwice",
        lambda scene: [group(known(scene)), group(known(scene))],
    ),
    "a machine by two of its names": (
        "RecoveryPlanMachineTwice",
        lambda scene: [group(known(scene), known(scene).upper())],
    ),
    "the plan in itself": (
        "RecoveryPlanMachineGone",
        lambda scene: [group(str(scene.fill(f"{{vault}}/replicationRecoveryPlans/{PLAN}")))],
    ),
    "a machine that is gone": (
        "RecoveryPlanMachineGone",
        lambda scene: [group(str(scene.fill(f"{ITEMS_ADDRESS}/deleted")))],
    ),
    "a machine of another vault": (
        "InvalidResourceReference",
        lambda scene: [group(str(scene.fill(ITEM.replace("{vault}", "{other}"))))],
    ),
    "too many groups": (
        "RecoveryPlanTooManyGroups",
        lambda scene: [group(known(scene)) for _ in range(8)],
    ),
    **{
        f"a script at {path!r}": (
            "RecoveryPlanScriptPathInvalid",
            lambda scene, path=path: [  # type: ignore[misc] # bound now, for each path
                group(known(scene), start_group_actions=[script(path)])
            ],
        )
        for path in OUTSIDE
    },
}


def known(scene: Scene) -> str:
    """The id of the scene's protected machine."""
    return str(scene.fill(ITEM))


@pytest.mark.spec("RP-1", "RP-2")
@pytest.mark.parametrize("what", sorted(BAD_GROUPS))
@pytest.mark.parametrize("how", ["made", "changed"])
def test_a_plan_that_cannot_be(scene: Scene, what: str, how: str) -> None:
    code, groups = BAD_GROUPS[what]
    plans = scene.program.site_recovery.replication_recovery_plans
    scope = scene.program.scope
    if how == "changed":
        wanted_groups = asr.UpdateRecoveryPlanInput(
            properties=asr.UpdateRecoveryPlanInputProperties(groups=groups(scene))
        )
        refused(scene, code, lambda: plans.begin_update(*scope, PLAN, wanted_groups))
        return
    fabrics = str(scene.fill("{vault}/replicationFabrics"))
    wanted = asr.CreateRecoveryPlanInputProperties(
        primary_fabric_id=f"{fabrics}/{scene.names['shanghai']}",
        recovery_fabric_id=f"{fabrics}/{scene.names['beijing']}",
        groups=groups(scene),
    )
    body = asr.CreateRecoveryPlanInput(properties=wanted)
    refused(scene, code, lambda: plans.begin_create(*scope, "Another", body))


@pytest.mark.spec("RP-1", "SS-1")
def test_a_plan_with_a_machine_of_another_pair(scene: Scene) -> None:
    fabrics = str(scene.fill("{vault}/replicationFabrics"))
    body = asr.CreateRecoveryPlanInput(
        properties=asr.CreateRecoveryPlanInputProperties(
            primary_fabric_id=f"{fabrics}/{scene.names['beijing']}",
            recovery_fabric_id=f"{fabrics}/{scene.names['shanghai']}",
            groups=[group(known(scene))],
        )
    )
    plans = scene.program.site_recovery.replication_recovery_plans
    refused(
        scene,
        "RecoveryPlanMachineOfAnotherPair",
        lambda: plans.begin_create(*scene.program.scope, "Another", body),
    )


PLAN_RUNS: Mapping[str, Ask] = {
    "planned": lambda plans, at: plans.begin_planned_failover(
        *at, {"properties": {"failoverDirection": "PrimaryToRecovery"}}
    ),
    "unplanned": lambda plans, at: plans.begin_unplanned_failover(
        *at,
        {
            "properties": {
                "failoverDirection": "PrimaryToRecovery",
                "sourceSiteOperations": "NotRequired",
            }
        },
    ),
    "test": lambda plans, at: plans.begin_test_failover(
        *at,
        {
            "properties": {
                "failoverDirection": "PrimaryToRecovery",
                "networkType": "NoNetworkAttachAsInput",
            }
        },
    ),
    "clean-up": lambda plans, at: plans.begin_test_failover_cleanup(
        *at, {"properties": {"comments": "Seen."}}
    ),
    "commit": lambda plans, at: plans.begin_failover_commit(*at),
    "reverse": lambda plans, at: plans.begin_reprotect(*at),
    "cancel": lambda plans, at: plans.begin_failover_cancel(*at),
}


@pytest.fixture
def deserted(scene: Scene) -> Iterator[RecoveryPlan]:
    """The plan, while no machine of it is protected any more."""
    plan = RecoveryPlan.objects.get(name=PLAN, vault__subscription_id=scene.program.subscription_id)
    [member] = PlanMember.objects.filter(plan=plan)
    item_id = member.item_id
    row = PlanMember.objects.filter(id=member.id)
    commit(lambda: row.update(item=None))
    yield plan
    commit(lambda: row.update(item=item_id))


@pytest.mark.spec("RP-1", "RP-5")
@pytest.mark.parametrize("run", sorted(PLAN_RUNS))
def test_a_plan_all_of_whose_machines_are_deleted(
    scene: Scene, deserted: RecoveryPlan, run: str
) -> None:
    del deserted
    plans = scene.program.site_recovery.replication_recovery_plans
    ask = PLAN_RUNS[run]
    refused(scene, "RecoveryPlanEmpty", lambda: ask(plans, (*scene.program.scope, PLAN)))


@pytest.mark.spec("RP-5", "FO-6")
@pytest.mark.parametrize("run", ["clean-up", "commit", "reverse", "cancel"])
def test_a_run_that_no_machine_of_the_plan_is_ready_for(scene: Scene, run: str) -> None:
    plans = scene.program.site_recovery.replication_recovery_plans
    ask = PLAN_RUNS[run]
    refused(
        scene,
        "RecoveryPlanMachinesNotReady",
        lambda: ask(plans, (*scene.program.scope, PLAN)),
    )


@pytest.mark.spec("RP-5")
@pytest.mark.parametrize("run", sorted(PLAN_RUNS))
def test_a_run_of_a_plan_that_is_not_there(scene: Scene, run: str) -> None:
    plans = scene.program.site_recovery.replication_recovery_plans
    ask = PLAN_RUNS[run]
    refused(scene, "NotFound", lambda: ask(plans, (*scene.program.scope, "Nothing")))
