"""Names that clients choose for pairings and protected items: what can stand in a resource id."""

from __future__ import annotations

from coordinator.failures import refuse

LONGEST_NAME = 128
# What addresses and their readers give a meaning to.
RESERVED = frozenset('/\\?#%&<>*:"')


def check_resource_name(name: str) -> None:
    """Refuses a name that could not be stored, or not be asked for again.

    Raises:
        RefusedError: InvalidResourceName, status 400.
    """
    fits = (
        0 < len(name) <= LONGEST_NAME
        and name == name.strip()
        and name.isprintable()
        and not RESERVED & set(name)
        and name not in {".", ".."}
    )
    if fits:
        return
    shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    raise refuse(
        "InvalidResourceName",
        f"{shown!r} cannot be the name of a resource.",
        causes=[
            f"A name has 1 to {LONGEST_NAME} characters and neither begins nor ends with a space.",
            f"It has none of {' '.join(sorted(RESERVED))} and no control characters.",
        ],
        action="Choose another name.",
        field="name",
    )
