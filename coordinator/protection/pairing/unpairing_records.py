"""Record functions and the finisher of DissociateProtectionProfile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.models import Pairing
from coordinator.protection.pairing.host_certificates import forget
from coordinator.protection.rules import pairing_in_use_failure
from coordinator.protection.states import PairingState


def check_unpairing(call: RecordCall) -> Mapping[str, object]:
    """Refuses clouds whose machines are protected."""
    pairing = _lock(call.arguments)
    failure = pairing_in_use_failure(
        pairing.name, tuple(pairing.items.values_list("friendly_name", flat=True))
    )
    if failure is not None:
        raise StepFailedError(failure)
    return {}


def unpaired(call: RecordCall) -> Mapping[str, object]:
    """No host has anything of the pairing: it goes, its clouds can be paired again."""
    _lock(call.arguments).delete()
    forget(cast("list[int]", call.inputs["host_ids"]))
    return {}


def unpairing_finished(job: FinishedJob) -> None:
    """After a failure hosts may be configured in part; the same request takes it up."""
    if job.state is JobState.SUCCEEDED:
        return
    pairing = _lock(job.arguments)
    pairing.state = PairingState.UNPAIRING_FAILED
    pairing.errors = [failure.as_json() for failure in job.failures]
    pairing.save(update_fields=["state", "errors"])


def _lock(arguments: Mapping[str, object]) -> Pairing:
    return Pairing.objects.select_for_update().get(id=str(arguments["pairing_id"]))
