"""Ids of other resources in the bodies of requests."""

from __future__ import annotations

from coordinator.api.calls import Call
from coordinator.api.paths import names_in
from coordinator.failures import refuse


def names_in_reference(call: Call, pattern: str, reference: str, field: str) -> dict[str, str]:
    """Takes an id of a body apart.

    Args:
        call: The request.
        pattern: What kind of resource it must be.
        reference: The id as the client sent it.
        field: Where in the body it was.

    Returns:
        Names by the words in braces of the pattern.

    Raises:
        RefusedError: It is no id of that kind, or of another vault.
    """
    names = names_in(pattern, reference)
    own = names is not None and [
        names["subscription_id"].lower(),
        names["resource_group"].lower(),
        names["vault_name"].lower(),
    ] == [
        call.ids.subscription_id.lower(),
        call.ids.resource_group.lower(),
        call.ids.name.lower(),
    ]
    if names is None or not own:
        kind = pattern.split("/")[-2]
        raise refuse(
            "InvalidResourceReference",
            f"{field} is not the id of one of the vault's {kind}: '{reference}'.",
            causes=["The id is incomplete or misspelt.", "It is the id of another vault's object."],
            action=f"List the vault's {kind} and use an id from the list.",
            field=field,
        )
    return names
