"""Files that cannot be applied: each mistake with file, line, field, cause and remedy."""

from __future__ import annotations

from textwrap import dedent

import pytest

from coordinator.cli.apply.catalog import Catalog, Named, Resolver
from coordinator.cli.apply.documents import Problem, read_documents
from coordinator.cli.apply.resources import read_resources
from tests.unit.cli.apply.documents_for_tests import read

pytestmark = pytest.mark.spec("UI-2")


def problems_of(text: str) -> list[Problem]:
    documents, problems = read_documents("a.yaml", dedent(text))
    assert problems == []
    return read_resources(documents)[1]


LIMIT = "kind: bandwidthLimit\nname: A\nspec:\n"
LONG = "{name: x, script: a.ps1, timeLimitSeconds: 601}"
PLAN = "kind: recoveryPlan\nname: Shop\nspec:\n  primaryServer: A\n  recoveryServer: B\n"


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("just words", 1, "", "no kind"),
        ("name: x", 1, "", "no kind"),
        ("kind: polisy\nname: x", 1, "kind", "policy or pairing"),
        ("kind: policy", 1, "name", "None"),
        ("kind: policy\nname: ''", 2, "name", "a text"),
        ("kind: policy\nname: x\nspeck: {}", 3, "speck", "no such field"),
        ("kind: policy\nname: x\nspec: []", 3, "spec", "fields with names"),
        ("kind: policy\nname: x\nspec:\n  a: 1", 4, "spec.a", "no such field"),
        ("kind: policy\nname: x\nspec: {recoveryPoints: 99}", 3, "spec.recoveryPoints", "0 to 24"),
        ("kind: policy\nname: x\nspec: {recoveryPoints: four}", 3, "spec.recoveryPoints", "whole"),
        ("kind: policy\nname: x\nspec: {recoveryPoints: true}", 3, "spec.recoveryPoints", "whole"),
        ("kind: policy\nname: x\nspec: {compression: yes}", 3, "spec.compression", "true or false"),
        (
            "kind: policy\nname: x\nspec: {replicationFrequencySeconds: 60}",
            3,
            "spec.replicationFrequencySeconds",
            "30 or 300 or 900",
        ),
        (
            "kind: policy\nname: x\nspec: {hostVersion: 2012, replicationFrequencySeconds: 30}",
            3,
            "spec.replicationFrequencySeconds",
            "300 seconds only",
        ),
        (
            "kind: policy\nname: x\nspec: {applicationConsistentHours: 2}",
            3,
            "spec.applicationConsistentHours",
            "less than the 0",
        ),
        ("kind: policy\nname: x\nspec: {firstCopy: offline}", 3, "spec.exportPath", "a path"),
        ("kind: policy\nname: x\nspec: {importPath: x}", 3, "spec.importPath", "no paths"),
        ("kind: pairing\nname: x\nspec: {policy: x}", 3, "spec.source", "missing"),
        (
            "kind: pairing\nname: x\nspec:\n  policy: x\n  source: {server: A}\n  target: {}",
            5,
            "spec.source.cloud",
            "missing",
        ),
        ("kind: bandwidthLimit\nname: A", 1, "spec.limit", "Nothing is limited"),
        ("kind: bandwidthLimit\nname: A\nspec: {limit: 20Mb}", 3, "spec.limit", "20Mbps"),
        ("kind: bandwidthLimit\nname: A\nspec: {limit: 0}", 3, "spec.limit", "20Mbps"),
        (
            f"{LIMIT}  windows:\n    - {{days: [Monday, Mo], start: 8:00, end: 9:0, limit: 1Mbps}}",
            5,
            "spec.windows[0].days[1]",
            "Tuesday",
        ),
        (PLAN, 3, "spec.groups", "missing"),
        (f"{PLAN}  groups: []", 6, "spec.groups", "no machine"),
        (f"{PLAN}  groups: [{{machines: []}}]", 6, "spec.groups[0].machines", "at least 1"),
        (
            f"{PLAN}  groups:\n    - machines: [a]\n    - machines: [b, A]",
            8,
            "spec.groups[1].machines",
            "groups 1 and 2",
        ),
        (f"{PLAN}  groups: [{{machines: [a, A]}}]", 6, "spec.groups[0].machines[1]", "twice"),
        (
            f"{PLAN}  groups:\n    - machines: [a]\n      after:\n        - name: x",
            9,
            "spec.groups[0].after[0].script",
            "script or a manual",
        ),
        (
            f"{PLAN}  groups: [{{machines: [a], after: [{LONG}]}}]",
            6,
            "spec.groups[0].after[0].timeLimitSeconds",
            "600 seconds",
        ),
        ("kind: policy\nname: x\n---\nkind: policy\nname: X", 4, "", "twice"),
    ],
)
def test_each_mistake_is_told_where_it_is(text: str, line: int, field: str, words: str) -> None:
    found = problems_of(text)
    assert found, "nothing is wrong?"
    assert (found[0].file, found[0].line, found[0].field) == ("a.yaml", line, field)
    assert words in f"{found[0].message} {found[0].cause} {found[0].remedy}"
    assert found[0].message
    assert found[0].remedy


def test_all_mistakes_are_told_at_once() -> None:
    found = problems_of(
        """\
        kind: policy
        name: x
        spec: {recoveryPoints: 99, port: 0}
        ---
        kind: nothing
        name: y
        """
    )
    assert [one.field for one in found] == ["spec.recoveryPoints", "spec.port", "kind"]
    assert str(found[0]).startswith("a.yaml:3: spec.recoveryPoints: 99 cannot be here.")


CLOUDS = "  source: {server: VMM-A, cloud: Gold}\n  target: {server: VMM-B, cloud: Gold}"
GOLD_PLAN = PLAN.replace("r: A", "r: VMM-A").replace("r: B", "r: VMM-B") + "  groups:\n"
CATALOG = Catalog(
    servers=[
        Named("VMM-A", "f1", "/f1"),
        Named("VMM-B", "f2", "/f2"),
        Named("Twin", "f3", "/f3"),
        Named("Twin", "f4", "/f4"),
    ],
    clouds=[Named("Gold", "c1", "/f1/c1", "VMM-A"), Named("Gold", "c2", "/f2/c2", "VMM-B")],
    machines=[
        Named("web-1", "i1", "/i1"),
        Named("web-2", "i2", "/i2"),
        Named("db", "i3", "/i3"),
        Named("same", "i4", "/i4"),
        Named("same", "i5", "/i5"),
    ],
    policies=[Named("Fast", "Fast", "/p/Fast")],
)


def resolved(text: str) -> tuple[list[dict[str, object]], list[Problem]]:
    wanted = read(dedent(text))
    resolver = Resolver(CATALOG, wanted)
    return [dict(resolver.resolve(one).spec) for one in wanted], resolver.problems


def test_names_become_those_that_exports_use() -> None:
    [pair], problems = resolved(
        """\
        kind: pairing
        name: x
        spec: {source: {server: f1, cloud: GOLD}, target: {server: vmm-b, cloud: c2}, policy: fast}
        """
    )
    assert problems == []
    assert pair == {
        "source": {"server": "VMM-A", "cloud": "Gold"},
        "target": {"server": "VMM-B", "cloud": "Gold"},
        "policy": "Fast",
    }


def test_patterns_become_machines_and_twins_are_named_by_their_ids() -> None:
    [plan], problems = resolved(
        """\
        kind: recoveryPlan
        name: x
        spec:
          primaryServer: VMM-A
          recoveryServer: VMM-B
          groups: [{machines: ['web-*', i3]}, {machines: [i5]}]
        """
    )
    assert problems == []
    groups = plan["groups"]
    assert isinstance(groups, list)
    assert [group["machines"] for group in groups] == [["db", "web-1", "web-2"], ["i5"]]


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("kind: bandwidthLimit\nname: C\nspec: {limit: 1Mbps}", 2, "name", "no server"),
        ("kind: bandwidthLimit\nname: twin\nspec: {limit: 1Mbps}", 2, "name", "f3, f4"),
        (
            f"kind: pairing\nname: x\nspec:\n  policy: Slow\n{CLOUDS}",
            4,
            "spec.policy",
            "no policy",
        ),
        (
            f"{GOLD_PLAN}    - machines: [db, 'mail-*']",
            7,
            "spec.groups[0].machines[1]",
            "no protected machine",
        ),
        (
            f"{GOLD_PLAN}    - machines: [same]",
            7,
            "spec.groups[0].machines[0]",
            "i4, i5",
        ),
    ],
)
def test_names_that_mean_nothing_or_several_things(
    text: str, line: int, field: str, words: str
) -> None:
    _, [problem] = resolved(text)
    assert (problem.line, problem.field) == (line, field)
    assert words in f"{problem.message} {problem.remedy}"


def test_a_policy_may_be_made_by_the_same_files() -> None:
    _, problems = resolved(
        """\
        kind: policy
        name: New
        ---
        kind: pairing
        name: x
        spec: {source: {server: f1, cloud: c1}, target: {server: f2, cloud: c2}, policy: new}
        """
    )
    assert problems == []
