"""What the last looks at the servers told: scripts, and addresses given out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coordinator.jobs.queries import StepResult, newest_results
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.dry_run.facts import SeenScript
from coordinator.recovery.dry_run.look_planner import SCENARIO, fabric_step, scripts_step

# By pool, the adapter that has each address; empty when VMM names none.
Given = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Looks:
    """What is known of both sides from looking.

    Attributes:
        scripts: By side and path in lower case.
        given: By side what VMM has given out of static pools.
        at: When each side was looked at; sides that were not have no entry.
    """

    scripts: Mapping[tuple[ActiveLocation, str], SeenScript] = field(default_factory=dict)
    given: Mapping[ActiveLocation, Given] = field(default_factory=dict)
    at: Mapping[ActiveLocation, datetime] = field(default_factory=dict)

    def script(self, side: ActiveLocation, path: str) -> SeenScript | None:
        return self.scripts.get((side, path.lower()))


def last_looks(target_id: str, *, one_server: bool = False) -> Looks:
    """The newest that is known from looking for a plan or for a machine.

    Args:
        target_id: Of the plan or of the item.
        one_server: One server has both clouds: what was seen there holds for both sides.
    """
    results = newest_results(SCENARIO, target_id)
    scripts: dict[tuple[ActiveLocation, str], SeenScript] = {}
    given: dict[ActiveLocation, Given] = {}
    at: dict[ActiveLocation, datetime] = {}
    for side in ActiveLocation:
        seen_at = ActiveLocation.PRIMARY if one_server else side
        looked = results.get(fabric_step(seen_at))
        if looked is not None:
            at[side] = looked.at
            given[side] = _given(looked.result)
        found = results.get(scripts_step(seen_at))
        scripts |= {(side, path): seen for path, seen in _scripts(found)}
    return Looks(scripts, given, at)


def _scripts(found: StepResult | None) -> Iterator[tuple[str, SeenScript]]:
    if found is None:
        return
    for each in _listed(found.result.get("scripts")):
        runnable = each.get("runnable")
        yield (
            str(each.get("path")).lower(),
            SeenScript(
                looked_at=found.at,
                exists=each.get("exists") is True,
                readable=each.get("readable") is True,
                runnable=runnable if isinstance(runnable, bool) else None,
                sha256=str(each.get("sha256") or ""),
                problem=str(each.get("problem") or ""),
            ),
        )


def _given(result: Mapping[str, object]) -> Given:
    return {
        str(pool.get("static_address_pool_id")): {
            str(one.get("address")): str(one.get("adapter_id") or "")
            for one in _listed(pool.get("addresses"))
        }
        for pool in _listed(result.get("pools"))
    }


def _listed(value: object) -> list[Mapping[str, object]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
