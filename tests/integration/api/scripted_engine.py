"""An engine without providers: ends each job as told, with what that means for its item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event, Thread
from types import TracebackType
from typing import Self

from django.db import connections, transaction
from django.utils import timezone

from coordinator.failures import Failure
from coordinator.jobs.models import Job, OperationLock, Step
from coordinator.jobs.states import JobState, StepState
from coordinator.protection.models import HostBandwidth, NetworkMapping, Pairing, ProtectedItem
from coordinator.protection.states import ActiveLocation, PairingState, ProtectionState
from coordinator.recovery.loss import NAMES
from coordinator.recovery.models import Drill

LOOK_SECONDS = 0.05
# Of every script.
SHA256 = "5e" * 32


def paired(job: Job) -> None:
    Pairing.objects.filter(id=job.target_id).update(state=PairingState.PAIRED)


def enabled(job: Job) -> None:
    # The first copy and both finalizing jobs are over, too.
    ProtectedItem.objects.filter(id=job.target_id).update(
        state=ProtectionState.PROTECTED, recovery_host="hv1.beijing.example"
    )


def failed_over(job: Job) -> None:
    item = ProtectedItem.objects.get(id=job.target_id)
    item.state = ProtectionState.COMMIT_PENDING
    item.active_location = ActiveLocation(item.active_location).other
    item.save()


def failed_over_unplanned(job: Job) -> None:
    facts: dict[str, object] = {
        "recovery_point_id": "point-1",
        "recovery_point_time": "2026-05-01T10:00:00+00:00",
        "recovery_point_type": "CrashConsistent",
        "recovered_until": "2026-05-01T10:00:00+00:00",
        "last_known_change_at": "2026-05-01T10:00:35+00:00",
        "lost_at_least_seconds": 35.0,
        "lost_at_most_seconds": 60.0,
    }
    item = ProtectedItem.objects.get(id=job.target_id)
    if item.state != ProtectionState.CHANGING_POINT:
        item.active_location = ActiveLocation(item.active_location).other
    item.state, item.failover_type = ProtectionState.UNPLANNED_COMMIT_PENDING, "Unplanned"
    item.failover = facts
    item.save()
    details: dict[str, object] = {"instanceType": "FailoverTaskDetails"}
    details |= {NAMES[key]: value for key, value in facts.items()}
    job.steps.filter(key__in=["failover/record", "change/record"]).update(
        result={**facts, "details": details}
    )


def cancelled(job: Job) -> None:
    item = ProtectedItem.objects.get(id=job.target_id)
    item.state, item.failover_type = ProtectionState.PROTECTED, ""
    item.active_location = ActiveLocation(item.active_location).other
    item.save()


def tested(job: Job) -> None:
    drill = Drill.objects.get(item__id=job.target_id, ended_at=None)
    drill.job_id, drill.active_at, drill.outcome = job.id, timezone.now(), "Active"
    drill.test_vm_id, drill.test_vm_name = "99999999-0000-4000-8000-000000000000", "GoldVM1 - Test"
    drill.adapters = [
        {
            "adapter": "a",
            "pool": "p",
            "address": "10.2.0.15",
            "subnet_name": "Frontend",
            "guest_address": "10.2.0.15",
        }
    ]
    drill.save()
    ProtectedItem.objects.filter(id=job.target_id).update(test_failover_state="Active")


def cleaned_up(job: Job) -> None:
    drill = Drill.objects.get(item__id=job.target_id, ended_at=None)
    drill.ended_at, drill.outcome = timezone.now(), "Completed"
    drill.notes = job.arguments["comments"]
    drill.save()
    ProtectedItem.objects.filter(id=job.target_id).update(
        test_failover_state="None", last_test_failover_at=drill.active_at
    )


def committed(job: Job) -> None:
    ProtectedItem.objects.filter(id=job.target_id).update(state=ProtectionState.COMMITTED)


def reversed_(job: Job) -> None:
    ProtectedItem.objects.filter(id=job.target_id).update(state=ProtectionState.PROTECTED)


def disabled(job: Job) -> None:
    ProtectedItem.objects.filter(id=job.target_id).delete()


def unpaired(job: Job) -> None:
    Pairing.objects.filter(id=job.target_id).delete()


def mapped(job: Job) -> None:
    NetworkMapping.objects.filter(id=job.target_id).update(state="Paired")


def limited(job: Job) -> None:
    for told in job.arguments["hosts"].values():
        HostBandwidth.objects.filter(host_id=told["host_id"]).delete()
        if told["limits"]:
            HostBandwidth.objects.create(
                host_id=told["host_id"], limits=told["limits"], applied_at=timezone.now()
            )


def nothing(job: Job) -> None:
    """The vault forgot the object when the job began."""
    del job


def compared(job: Job) -> None:
    """One machine is on another host than the vault believes, and a mapped network is gone."""
    machine = {
        "vmName": "GoldVM1",
        "cloudName": "GoldCloud1",
        "details": ["In the vault: on hv1. On premises: on hv2."],
        "errorIds": ["HostDiffers"],
    }
    mappings = {
        "vmName": "",
        "cloudName": "",
        "details": ["In the vault: the mapping map uses it. On premises: gone."],
        "errorIds": ["MappedNetworkMissing"],
    }
    details = {"instanceType": "ConsistencyCheckTaskDetails", "vmDetails": [machine, mappings]}
    Step.objects.filter(job=job, key="check/compare").update(result={"details": details})


def looked(job: Job) -> None:
    """Every script is there, and may be run."""
    for step in job.steps.filter(action="check_plan_scripts"):
        step.result = {
            "library": r"\\vmm\MSCVMMLibrary",
            "scripts": [
                {"path": path, "exists": True, "readable": True, "runnable": True, "sha256": SHA256}
                for path in step.inputs["paths"]
            ],
        }
        step.save()


EFFECTS: Mapping[str, Callable[[Job], None]] = {
    "AssociateProtectionProfile": paired,
    "EnableDr": enabled,
    "PlannedFailover": failed_over,
    "UnplannedFailover": failed_over_unplanned,
    "ChangePit": failed_over_unplanned,
    "CancelFailover": cancelled,
    "TestFailover": tested,
    "TestFailoverCleanup": cleaned_up,
    "CommitFailover": committed,
    "ReverseReplication": reversed_,
    "DisableDr": disabled,
    "DissociateProtectionProfile": unpaired,
    "NetworkPairing": mapped,
    "NetworkUnpairing": nothing,
    "LimitReplicationBandwidth": limited,
    "RefreshProvider": nothing,
    "CheckConsistency": compared,
    "PauseReplication": nothing,
    "ResumeReplication": nothing,
    "RepairReplication": nothing,
    "ResynchronizeReplication": nothing,
    "ChangeReplicatedDisks": nothing,
    "ChangeAutomaticResynchronization": nothing,
    "PurgeDr": nothing,
    "UnregisterFabric": nothing,
    "ExportJobs": nothing,
    "RenewReplicationCertificates": nothing,
    "UpdateRecoveryPlan": nothing,
    "LookBeforeFailover": looked,
    "VmNetworksUpdate": nothing,
    "UpdateProtectionProfile": nothing,
    "DeleteRecoveryPlan": nothing,
    "ImportInitialReplication": nothing,
    "PurgeProtectionProfile": nothing,
}


class ScriptedEngine:
    """Runs in a thread; `fail_next` and `hold` change what becomes of jobs."""

    def __init__(self) -> None:
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="scripted-engine")
        self._failures: list[Failure] = []
        self._holding = Event()
        self.error: Exception | None = None

    def fail_next(self, failure: Failure) -> None:
        """The next job fails so."""
        self._failures.append(failure)

    def hold(self) -> None:
        """Jobs begin and do not end, until `release`."""
        self._holding.set()

    def release(self) -> None:
        self._holding.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(20)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stopping.wait(LOOK_SECONDS):
                for job in Job.objects.filter(
                    state__in=[JobState.NOT_STARTED, JobState.IN_PROGRESS]
                ):
                    self._advance(job)
        except Exception as error:  # noqa: BLE001 - a border: handed to the test that owns the thread
            self.error = error
        finally:
            connections.close_all()

    def _advance(self, job: Job) -> None:
        if job.state == JobState.NOT_STARTED:
            job.state, job.started_at = JobState.IN_PROGRESS, timezone.now()
            job.save()
            job.steps.filter(position=0).update(
                state=StepState.IN_PROGRESS, started_at=timezone.now(), percent=50
            )
        elif not self._holding.is_set() and not job.children.filter(finished_at=None).exists():
            self._end(job)

    def _end(self, job: Job) -> None:
        now = timezone.now()
        failure = self._failures.pop(0) if self._failures else None
        with transaction.atomic():
            job.finished_at = now
            if failure is None:
                # A plan's run does nothing itself; its machines' jobs do.
                (nothing if "plan_id" in job.arguments else EFFECTS[job.scenario])(job)
                job.steps.update(state=StepState.SUCCEEDED, started_at=now, finished_at=now)
                job.state, job.state_description = JobState.SUCCEEDED, "Completed"
            else:
                first = job.steps.get(position=0)
                job.steps.update(state=StepState.SKIPPED)
                job.steps.filter(id=first.id).update(
                    state=StepState.FAILED, finished_at=now, failure=failure.as_json()
                )
                job.state, job.state_description = JobState.FAILED, "Failed"
                job.errors = [{**failure.as_json(), "task": first.task, "step": first.key}]
            OperationLock.objects.filter(job=job).delete()
            job.save()
