"""What makes a vault what files say: for all documents, and for examples of each kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from coordinator.cli.apply.differences import converged, difference, fixed_problems, in_order
from coordinator.cli.apply.field_types import FieldChange
from coordinator.cli.apply.kinds import Kind
from coordinator.cli.apply.resources import Resource
from tests.unit.cli.apply.documents_for_tests import exported, is_same, read, resources

pytestmark = pytest.mark.spec("UI-2")


@given(resources)
def test_exporting_and_reading_is_identity(existing: list[Resource]) -> None:
    assert exported(existing) == existing
    assert is_same(exported(existing), existing)


@given(resources, resources)
def test_what_was_done_need_not_be_done_again(
    wanted: list[Resource], existing: list[Resource]
) -> None:
    for prune in (False, True):
        after = converged(existing, difference(wanted, existing, prune=prune))
        assert difference(wanted, after, prune=prune).is_empty
        assert {one.key for one in after} >= {one.key for one in wanted}
    kept = converged(existing, difference(wanted, existing))
    assert {one.key for one in kept} >= {one.key for one in existing}


@given(resources, resources)
def test_everything_is_in_just_one_part_of_a_difference(
    wanted: list[Resource], existing: list[Resource]
) -> None:
    found = difference(wanted, existing, prune=True)
    parts = [
        *(one.key for one in found.added),
        *(change.new.key for change in found.changed),
        *(one.key for one in found.unchanged),
    ]
    assert sorted(parts) == sorted(one.key for one in wanted)
    gone = {one.key for one in found.removed}
    assert not gone & {one.key for one in wanted}
    assert all(change.fields for change in found.changed)


@given(resources)
def test_the_order_of_documents_means_nothing(existing: list[Resource]) -> None:
    assert is_same(list(reversed(existing)), existing)
    assert [one.kind for one in in_order(existing)] == sorted(
        (one.kind for one in existing), key=list(Kind).index
    )


PLAN = """\
kind: recoveryPlan
name: Shop
spec:
  primaryServer: VMM-Shanghai
  recoveryServer: VMM-Beijing
  groups:
    - machines: [db-1, db-2]
      after:
        - {name: Warm, script: /RPScripts/Warm.ps1}
    - machines: [web-1]
"""


def change_of(old: str, new: str) -> list[FieldChange]:
    [change] = difference(read(new), read(old)).changed
    return list(change.fields)


def test_a_plan_s_change_is_told_field_by_field() -> None:
    assert change_of(PLAN, PLAN.replace("db-2", "db-3")) == [
        FieldChange(("spec", "groups", 0, "machines"), ["db-2"], ["db-3"])
    ]
    [action] = change_of(PLAN, PLAN.replace("Warm.ps1}", "Warm.ps1, timeLimitSeconds: 60}"))
    assert action.field == "spec.groups[0].after[0].timeLimitSeconds"
    assert (action.old, action.new) == (600, 60)
    [gone] = change_of(PLAN, PLAN.replace("    - machines: [web-1]\n", ""))
    assert (gone.field, gone.new) == ("spec.groups[1]", None)


def test_names_differ_by_more_than_their_case_and_their_order() -> None:
    other = PLAN.replace("db-1, db-2", "DB-2, DB-1").replace("VMM-Beijing", "vmm-beijing")
    assert difference(read(other), read(PLAN)).is_empty
    slashes = PLAN.replace("/RPScripts/Warm.ps1", "RPScripts\\Warm.ps1")
    assert difference(read(slashes), read(PLAN)).is_empty


PAIR = """\
kind: pairing
name: Gold-to-Gold2
spec:
  source: {server: A, cloud: Gold}
  target: {server: B, cloud: Gold2}
  policy: Fast
"""


def test_what_a_thing_was_made_of_cannot_be_changed() -> None:
    new = PAIR.replace("policy: Fast", "policy: Slow")
    [problem] = fixed_problems(difference(read(new, "b.yaml"), read(PAIR)))
    assert (problem.file, problem.line, problem.field) == ("b.yaml", 6, "spec.policy")
    assert "'Fast'" in problem.message
    assert "osr pair remove" in problem.remedy
    server = PLAN.replace("recoveryServer: VMM-Beijing", "recoveryServer: Other")
    assert len(fixed_problems(difference(read(server), read(PLAN)))) == 1


def test_a_mapping_is_the_same_whatever_it_is_called() -> None:
    one = """\
kind: networkMapping
name: one
spec: {source: {server: A, network: N}, target: {server: B, network: M}}
"""
    assert difference(read(one.replace("name: one", "name: two")), read(one)).is_empty
    [change] = difference(read(one.replace("network: M", "network: O")), read(one)).changed
    assert [field.field for field in change.fields] == ["spec.target.network"]
    assert not fixed_problems(difference(read(one.replace("network: M", "network: O")), read(one)))
    elsewhere = difference(read(one.replace("server: B", "server: C")), read(one))
    assert len(elsewhere.added) == 1


def test_an_unfinished_thing_is_done_again() -> None:
    [pair] = read(PAIR)
    failed = replace(pair, unfinished="its state is PairingFailed")
    found = difference([pair], [failed])
    assert [change.fields for change in found.changed] == [()]
    assert difference([pair], [pair]).is_empty


def test_nothing_goes_unless_it_is_asked_for_and_last_things_go_first() -> None:
    existing = read(f"{PAIR}---\n{PLAN}---\nkind: policy\nname: Fast\n")
    assert difference([], existing).is_empty
    removed = difference([], existing, prune=True).removed
    assert [one.kind for one in removed] == [Kind.RECOVERY_PLAN, Kind.PAIRING, Kind.POLICY]
    alerts = read("kind: alertSettings\nname: defaultAlertSetting\n")
    assert difference([], alerts, prune=True).is_empty
