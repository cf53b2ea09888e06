"""osr role: who may do what where."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

import typer

from coordinator.cli.clients import Clients
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import not_found
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Roles: who may do what where.")


class Place(StrEnum):
    """Where a role is given; it counts there and below."""

    VAULT = "vault"
    GROUP = "group"
    SUBSCRIPTION = "subscription"


PrincipalArgument = Annotated[
    str, typer.Argument(help="The principal_id that osr-coordinator wrote for a person or program.")
]
RoleArgument = Annotated[
    str, typer.Argument(help="Owner, Site Recovery Contributor, ... or contributor, operator, ...")
]
PlaceOption = Annotated[Place, typer.Option("--at", help="Where it counts, and below.")]
DEFINITION_COLUMNS = {
    "Role": lambda role: str(role["properties"]["roleName"]),
    "Id": lambda role: str(role["name"]),
    "May": lambda role: str(role["properties"]["description"]),
}


@command(app)
def definitions(session: Session) -> None:
    """Lists the roles there are."""
    session.show(_definitions(session.clients), DEFINITION_COLUMNS)


@command(app, "list")
def list_roles(
    session: Session,
    place: PlaceOption = Place.VAULT,
    principal: Annotated[str | None, typer.Option(help="Only of this principal id.")] = None,
) -> None:
    """Lists who has which role that counts in a place, wherever it was given."""
    clients = session.clients
    wanted = None if principal is None else f"principalId eq '{principal}'"
    assignments = clients.authorization.role_assignments
    found = [
        _plain(one) for one in assignments.list_for_scope(scope_of(clients, place), filter=wanted)
    ]
    names = {role["name"]: role["properties"]["roleName"] for role in _definitions(clients)}
    session.show(
        found,
        {
            "Principal": lambda one: str(one["properties"]["principalId"]),
            "Kind": lambda one: str(one["properties"]["principalType"]),
            "Role": lambda one: str(names.get(_role_id(one), _role_id(one))),
            "Given in": lambda one: str(one["properties"]["scope"]),
        },
        whole="Principal",
    )


@command(app)
def assign(
    session: Session,
    principal: PrincipalArgument,
    role: RoleArgument,
    place: PlaceOption = Place.VAULT,
) -> None:
    """Gives somebody a role; giving it again changes nothing."""
    clients = session.clients
    definition, scope = _definition(clients, role), scope_of(clients, place)
    # One name for one role of one principal in one place: asking twice makes one assignment.
    name = str(uuid5(NAMESPACE_URL, f"{scope}/{principal}/{definition['name']}".lower()))
    body: Any = {"properties": {"roleDefinitionId": definition["id"], "principalId": principal}}
    known = _given(clients, principal, definition, scope)
    made = known or _plain(clients.authorization.role_assignments.create(scope, name, body))
    if session.as_json:
        session.show_json(made)
    session.tell(f"{principal} is {definition['properties']['roleName']} of {scope}.")


@command(app)
def remove(
    session: Session,
    principal: PrincipalArgument,
    role: RoleArgument,
    place: PlaceOption = Place.VAULT,
    yes: YesOption = False,
) -> None:
    """Takes a role back that was given in this place; never the last Owner's."""
    clients = session.clients
    definition, scope = _definition(clients, role), scope_of(clients, place)
    known = _given(clients, principal, definition, scope)
    title = definition["properties"]["roleName"]
    if known is None:
        raise not_found(f"assignment of {title} in {scope} to", principal, [])
    text = f"{principal} is no longer {title} of {scope}."
    confirm(session, f"{text[:-1]} then.", principal, yes=yes)
    clients.authorization.role_assignments.delete(scope, known["name"])
    session.tell(text)


def scope_of(clients: Clients, place: Place) -> str:
    """ARM id of a place."""
    subscription = f"/subscriptions/{clients.connection.subscription_id}"
    return {
        Place.SUBSCRIPTION: subscription,
        Place.GROUP: f"{subscription}/resourceGroups/{clients.resource_group}",
        Place.VAULT: clients.vault_id,
    }[place]


def _given(clients: Clients, principal: str, definition: Any, scope: str) -> Any:
    """The assignment of a role in just this place; None when there is none."""
    found = clients.authorization.role_assignments.list_for_scope(
        scope, filter=f"principalId eq '{principal}'"
    )
    for one in map(_plain, found):
        here = one["properties"]["scope"].lower() == scope.lower()
        if here and _role_id(one) == definition["name"]:
            return one
    return None


def _definitions(clients: Clients) -> list[dict[str, Any]]:
    found = clients.authorization.role_definitions.list(clients.vault_id)
    return [_plain(one) for one in found]


def _definition(clients: Clients, text: str) -> dict[str, Any]:
    """The role with that name, the end of it, or its id."""
    known = _definitions(clients)
    for role in known:
        name = str(role["properties"]["roleName"])
        if text.casefold() in {
            name.casefold(),
            name.rsplit(maxsplit=1)[-1].casefold(),
            role["name"],
        }:
            return role
    raise not_found("role", text, [str(role["properties"]["roleName"]) for role in known])


def _role_id(assignment: Any) -> str:
    return str(assignment["properties"]["roleDefinitionId"]).rpartition("/")[2]


def _plain(resource: Any) -> dict[str, Any]:
    """The JSON that the API gave: this client's models are of an older make."""
    found: dict[str, Any] = resource.serialize(keep_readonly=True)
    return found
