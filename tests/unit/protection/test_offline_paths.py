"""What is missing for an offline first copy, and what to grant to whom and where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coordinator.protection.offline.path_rules import (
    Access,
    PathFacts,
    check_paths,
    one_failure,
    path_facts,
)

SERVICE = Access(
    "CONTOSO\\svc-vmm", "VmmService", "FullControl", "FullControl", ("Administrators",)
)
RUN_AS = Access("CONTOSO\\svc-hosts", "RunAs", "Modify", "Modify")
HOST = Access("CONTOSO\\HV1$", "HostComputer", "None", "None")
EXPORT = PathFacts(
    host="hv1.sh",
    path=r"\\Files\Out",
    exists=True,
    file_server="Files",
    access=(HOST, SERVICE, RUN_AS),
    delegated_services=("cifs/Files", "CIFS/files2.contoso.com"),
    protocol_transition=True,
)
IMPORT = replace(EXPORT, host="hv1.bj", path=r"\\Files2\In", file_server="Files2")
HOSTS = {"hv1.sh", "hv2.sh.contoso.com", "hv1.bj"}
pytestmark = pytest.mark.spec("OF-2")


def with_access(facts: PathFacts, access: Access) -> PathFacts:
    kept = tuple(each for each in facts.access if each.role != access.role)
    return replace(facts, access=(*kept, access))


def test_nothing_is_missing_when_everything_is_granted() -> None:
    assert check_paths(EXPORT, IMPORT, HOSTS) == ()


@pytest.mark.parametrize(
    ("export", "import_", "code", "words"),
    [
        (
            replace(EXPORT, exists=False),
            IMPORT,
            "OfflinePathMissing",
            ["export", r"\\Files\Out", "share"],
        ),
        (EXPORT, replace(IMPORT, exists=False), "OfflinePathMissing", ["import", "Files2"]),
        (
            with_access(EXPORT, replace(SERVICE, ntfs="Modify")),
            IMPORT,
            "OfflinePathRightsMissing",
            ["CONTOSO\\svc-vmm", "NTFS Full Control and share permission Full Control", "on Files"],
        ),
        (
            with_access(EXPORT, replace(SERVICE, share_permission="Read")),
            IMPORT,
            "OfflinePathRightsMissing",
            ["share Read"],
        ),
        (
            EXPORT,
            with_access(IMPORT, replace(SERVICE, local_groups=())),
            "OfflinePathGroupMissing",
            ["CONTOSO\\svc-vmm", "Server Operators on Files2"],
        ),
        (
            EXPORT,
            with_access(IMPORT, replace(RUN_AS, ntfs="Read")),
            "OfflinePathRightsMissing",
            ["CONTOSO\\svc-hosts", "read and write"],
        ),
        (
            replace(EXPORT, delegated_services=("cifs/Files",)),
            IMPORT,
            "ConstrainedDelegationMissing",
            ["hv1.sh", "cifs of Files2", "any authentication protocol"],
        ),
        (
            replace(EXPORT, delegated_services=("http/Files", "cifs/Files2")),
            IMPORT,
            "ConstrainedDelegationMissing",
            ["cifs of Files."],
        ),
    ],
)
def test_each_missing_thing_says_what_to_grant_to_whom_and_where(
    export: PathFacts, import_: PathFacts, code: str, words: list[str]
) -> None:
    [failure] = check_paths(export, import_, HOSTS)
    assert failure.code == code
    told = f"{failure.message} {' '.join(failure.possible_causes)} {failure.recommended_action}"
    for word in words:
        assert word in told
    assert one_failure([failure]) is failure


def test_delegation_without_protocol_transition_does_not_count() -> None:
    failures = check_paths(replace(EXPORT, protocol_transition=False), IMPORT, HOSTS)
    assert [each.code for each in failures] == ["ConstrainedDelegationMissing"] * 2
    assert "Kerberos only" in failures[0].message


@pytest.mark.parametrize("server", ["HV1", "hv1.sh", "hv2"])
def test_a_share_of_a_hyper_v_host_is_refused(server: str) -> None:
    export = replace(
        EXPORT, file_server=server, delegated_services=(f"cifs/{server}", "cifs/Files2")
    )
    [failure] = check_paths(export, IMPORT, HOSTS)
    assert failure.code == "OfflinePathOnHyperVHost"
    assert "loopback" in " ".join(failure.possible_causes)


def test_local_paths_need_no_share_no_group_and_no_delegation() -> None:
    service = replace(SERVICE, share_permission="", local_groups=())
    run_as = replace(RUN_AS, share_permission="")
    local = PathFacts(host="hv1.sh", path=r"D:\Out", exists=True, access=(service, run_as))
    assert check_paths(local, replace(local, host="hv1.bj"), HOSTS) == ()


def test_several_missing_things_are_one_failure_with_numbered_remedies() -> None:
    failures = check_paths(
        replace(EXPORT, exists=False), with_access(IMPORT, replace(RUN_AS, ntfs="None")), HOSTS
    )
    failure = one_failure(failures)
    assert failure.code == "OfflineReplicationNotReady"
    assert len(failure.possible_causes) == 2
    assert "1. Make the folder" in failure.recommended_action
    assert "2. Grant CONTOSO\\svc-hosts" in failure.recommended_action


def test_the_wires_findings_are_read_whole() -> None:
    told = {
        "host": "hv1.sh",
        "path": r"\\Files\Out",
        "exists": True,
        "file_server": "Files",
        "access": [
            {
                "account": "C\\a",
                "role": "RunAs",
                "ntfs": "Read",
                "share_permission": "None",
                "local_groups": ["Administrators"],
            }
        ],
        "delegated_services": ["cifs/Files"],
        "protocol_transition": True,
    }
    facts = path_facts(told)
    assert facts.access == (Access("C\\a", "RunAs", "Read", "None", ("Administrators",)),)
    assert facts.delegated_services == ("cifs/Files",)
    assert facts.protocol_transition
