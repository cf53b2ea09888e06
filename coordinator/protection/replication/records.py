"""Record functions and conditions of what is done to a replication as it runs."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.registry import ConditionState, RecordCall
from coordinator.protection.models import ProtectedItem, ReplicationSide
from coordinator.protection.replication.evaluation import sum_up
from coordinator.protection.transitions import lock_item


def sender_seen(call: RecordCall) -> ConditionState:
    """The side the machine runs on was seen in one of the states."""
    side = _sender(call)
    states = call.inputs["states"]
    met = side is not None and isinstance(states, list) and side.state in states
    return ConditionState.MET if met else ConditionState.PENDING


def disks_seen(call: RecordCall) -> ConditionState:
    """The disks that replicate were seen to be the wanted ones."""
    side = _sender(call)
    if side is None:
        return ConditionState.PENDING
    seen = {disk.path for disk in side.wire().disks if disk.replicated}
    return ConditionState.MET if seen == set(_wanted(call)) else ConditionState.PENDING


def disks_chosen(call: RecordCall) -> Mapping[str, object]:
    """The other disks are left out on purpose from now on."""
    item = lock_item(_item_id(call))
    side = item.side(item.active_location)
    wanted = set(_wanted(call))
    present = [] if side is None else [disk.path for disk in side.wire().disks]
    item.excluded_disks = [path for path in present if path not in wanted]
    item.save(update_fields=["excluded_disks"])
    sum_up([item], call.now)
    return {}


def _sender(call: RecordCall) -> ReplicationSide | None:
    item = ProtectedItem.objects.filter(id=_item_id(call)).first()
    return None if item is None else item.side(item.active_location)


def _wanted(call: RecordCall) -> list[str]:
    paths = call.inputs["replicated"]
    return [str(path) for path in paths] if isinstance(paths, list) else []


def _item_id(call: RecordCall) -> str:
    return str(call.arguments["item_id"])
