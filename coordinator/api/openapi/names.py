"""What operations are called in the document of the API: read off their addresses, as ASR's are."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from coordinator.api.paths import VAULT

# How what is not in a vault says where it is, by the names in its address.
_PLACES = {"resource_group": "ForResourceGroup", "subscription_id": "ForSubscription"}
_VERBS = {"GET": "Get", "PUT": "Create", "PATCH": "Update", "DELETE": "Delete"}
_RESULTS = "Operationresults"


def operation_id(method: str, address: str, taken: Collection[str], *, is_list: bool) -> str:
    """A name such as "ReplicationProtectedItems_PlannedFailover".

    Args:
        method: HTTP method, in capitals.
        address: With names in braces.
        taken: What other operations are called: then it says more of where it is.
        is_list: It is about a collection as a whole.
    """
    words = _words(address)
    own = [_capital(word) for word in words if not word.startswith("{")]
    named = words[-1].startswith("{")
    noun, verb = _parts(method, own, named=named, is_list=is_list)
    place = _place(address)
    if f"{noun}_{verb}{place}" in taken:
        noun = f"{own[own.index(noun) - 1]}{noun}"
    return f"{noun}_{verb}{place}"


def _parts(method: str, own: Sequence[str], *, named: bool, is_list: bool) -> tuple[str, str]:
    """What it is about, and what it does with it."""
    if named and own[-1] == _RESULTS:
        # The job's name is last.
        return ["Vaults", *own][-2], "GetOperationResult"
    if named:
        return own[-1], _VERBS[method]
    if is_list:
        return own[-1], f"ListBy{own[-2]}" if len(own) > 1 else "List"
    if len(own) == 1:
        # A collection to make something in, or what there is one of.
        return own[0], "Create" if method == "POST" else "Get"
    return own[-2], own[-1] if method == "POST" else f"{_VERBS[method]}{own[-1]}"


def summary(docstring: str | None, shown: str | None) -> str:
    """One sentence about an operation.

    Args:
        docstring: Of its function; functions that only show something may say nothing.
        shown: What it answers with, as its type says.
    """
    told, about = _sentence(docstring or ""), _sentence(shown or "")
    return told or f"Reads {about[:1].lower()}{about[1:]}"


def description(docstring: str | None) -> str:
    """What the docstring says beyond its first sentence."""
    _, _, rest = (docstring or "").strip().partition("\n")
    return "\n".join(line.strip() for line in rest.strip().splitlines())


def tag_of(module: str) -> str:
    """The group of a route, by the module it is in: "protected_items" is "Protected items"."""
    words = module.rpartition(".")[2].replace("_", " ")
    return words[:1].upper() + words[1:]


def _words(address: str) -> Sequence[str]:
    """The part of an address that tells operations apart."""
    if address == VAULT:
        return VAULT.split("/")[-2:]
    *_, last = address.removeprefix(VAULT).split("/providers/")
    return [word for word in last.split("/") if word and not word.startswith("Microsoft.")]


def _place(address: str) -> str:
    if address.startswith(VAULT):
        # Roles can be given in several places, and their addresses end alike.
        return "ForVault" if "/Microsoft.Authorization/" in address else ""
    return next((told for name, told in _PLACES.items() if f"{{{name}}}" in address), "")


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def _sentence(text: str) -> str:
    first = text.strip().partition("\n")[0]
    return re.sub(r"( Source:.*| Beyond ASR.*)$", "", first).removesuffix(".")
