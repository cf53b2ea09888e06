"""Which disks of a machine are to replicate, after some were added or taken out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from coordinator.failures import refuse


def chosen_disks(
    present: Mapping[str, bool], *, add: Collection[str], remove: Collection[str]
) -> list[str]:
    """The disks that replicate afterwards.

    Args:
        present: Path of each disk of the machine to whether it replicates now.
        add: Paths to add, in any case.
        remove: Paths to take out, in any case.

    Returns:
        Paths as the host writes them, in order; at least one.

    Raises:
        RefusedError: DiskNotFound, NoDiskLeft (400). Nothing to do is no error.
    """
    spelled = {path.casefold(): path for path in present}
    for path in (*add, *remove):
        if path.casefold() not in spelled:
            raise refuse(
                "DiskNotFound",
                f"The machine has no disk '{path}'.",
                causes=[f"Its disks are {', '.join(sorted(present)) or 'not known yet'}."],
                action="Give the path of one of its disks, as the item shows it.",
                field="vhdIds",
            )
    out = {path.casefold() for path in remove}
    wanted = {path.casefold() for path, replicated in present.items() if replicated}
    wanted = (wanted | {path.casefold() for path in add}) - out
    if not wanted:
        raise refuse(
            "NoDiskLeft",
            "At least one disk must replicate.",
            causes=["All disks that replicate were to be taken out."],
            action="Leave one in, or disable protection.",
            field="vhdIds",
        )
    return sorted(spelled[path] for path in wanted)
