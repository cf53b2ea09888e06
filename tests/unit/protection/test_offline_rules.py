"""Where an offline first copy stands and what it waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.offline.rules import (
    MOST_EXPORTS,
    CopyFacts,
    FolderFacts,
    Stage,
    exports_by_itself,
    imports_by_itself,
    stage_of,
    waits_for,
)

OUT = FolderFacts("App_1", 3, 700, settled=True)
FACTS = CopyFacts(
    export_path=r"\\Files\Out",
    import_path=r"\\Files2\In",
    primary_host="hv1.sh",
    recovery_host="hv1.bj",
    primary_state="InitialReplicationInProgress",
    percent=None,
    replica_state="WaitingForInitialReplication",
    import_percent=None,
    exported=FolderFacts(),
    arrived=FolderFacts(),
)
pytestmark = pytest.mark.spec("OF-1")


@pytest.mark.parametrize(
    ("changes", "stage", "words"),
    [
        ({"percent": 40}, Stage.EXPORTING, r"exported to \\Files\Out (40 %)"),
        ({}, Stage.EXPORTING, "being exported"),
        ({"exported": replace(OUT, settled=False)}, Stage.EXPORTING, "being exported"),
        ({"exported": OUT, "percent": 99}, Stage.EXPORTING, "99 %"),
        ({"primary_state": "Error"}, Stage.EXPORT_BROKEN_OFF, "it begins again"),
        (
            {"primary_state": "ReadyForInitialReplication", "exports": MOST_EXPORTS},
            Stage.EXPORT_BROKEN_OFF,
            "begin the export again",
        ),
        (
            {"exported": OUT},
            Stage.WAITING_FOR_DATA,
            r"Carry the folder App_1 (700 bytes in 3 files) from \\Files\Out to \\Files2\In",
        ),
        (
            {"exported": OUT, "arrived": FolderFacts("App_1", 2, 500, settled=True)},
            Stage.ARRIVING,
            "2 of 3 files and 500 of 700 bytes",
        ),
        (
            {"exported": OUT, "arrived": replace(OUT, settled=False)},
            Stage.ARRIVING,
            "3 of 3 files",
        ),
        ({"exported": OUT, "arrived": OUT}, Stage.READY_TO_IMPORT, "the import begins"),
        (
            {"exported": OUT, "arrived": OUT, "failed": True},
            Stage.READY_TO_IMPORT,
            "The import failed",
        ),
        (
            {"exported": OUT, "arrived": OUT, "importing": True, "import_percent": 7},
            Stage.IMPORTING,
            "imported on hv1.bj (7 %)",
        ),
        ({"exported": OUT, "arrived": OUT, "replica_state": "Replicating"}, Stage.IMPORTED, ""),
    ],
)
def test_the_stage_and_what_is_waited_for(
    changes: dict[str, object], stage: Stage, words: str
) -> None:
    facts = replace(FACTS, **changes)  # type: ignore[arg-type]  # a table of fields
    assert stage_of(facts) is stage
    assert words in waits_for(facts)


def test_only_a_whole_folder_is_imported_by_itself_and_not_after_a_failure() -> None:
    ready = replace(FACTS, exported=OUT, arrived=OUT)
    assert imports_by_itself(ready)
    assert not imports_by_itself(replace(ready, failed=True))
    assert not imports_by_itself(replace(ready, arrived=replace(OUT, size_bytes=699)))
    assert not imports_by_itself(replace(ready, percent=99))


def test_an_export_is_begun_again_by_itself_a_few_times_only() -> None:
    broken = replace(FACTS, primary_state="Error")
    assert exports_by_itself(broken)
    assert not exports_by_itself(replace(broken, exports=MOST_EXPORTS))
    assert not exports_by_itself(replace(broken, failed=True))
    assert not exports_by_itself(FACTS)


FOLDERS = st.builds(
    FolderFacts,
    st.sampled_from(["", "App_1"]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
)


@given(
    st.builds(
        replace,
        st.just(FACTS),
        primary_state=st.sampled_from(["", "Error", "InitialReplicationInProgress", "Replicating"]),
        percent=st.none() | st.integers(0, 100),
        exported=FOLDERS,
        arrived=FOLDERS,
        importing=st.booleans(),
        failed=st.booleans(),
    )
)
def test_nothing_is_imported_that_is_not_what_was_exported(facts: CopyFacts) -> None:
    if imports_by_itself(facts):
        assert facts.exported.settled
        assert facts.arrived.settled
        assert facts.percent is None
        assert (facts.arrived.files, facts.arrived.size_bytes) == (
            facts.exported.files,
            facts.exported.size_bytes,
        )
    assert not (imports_by_itself(facts) and exports_by_itself(facts))
    assert waits_for(facts) or stage_of(facts) is Stage.IMPORTED
