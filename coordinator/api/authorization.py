"""Whether a caller may do what it asks: the one place where roles are looked at."""

from __future__ import annotations

from django.http import HttpRequest

from coordinator.access import queries as access
from coordinator.access.services import Caller, action_of
from coordinator.api.addresses import read_uuid
from coordinator.api.errors import not_authorized, subscription_not_found, vault_not_found
from coordinator.api.paths import GROUP, NAMESPACE, SUBSCRIPTION
from coordinator.vaults import queries as vaults
from coordinator.vaults.models import Vault

# Lists that have for each caller what it may read, be it nothing.
_LISTS = frozenset(
    f"{place}/providers/{NAMESPACE}/vaults".lstrip("/").replace("{", "<").replace("}", ">")
    for place in (SUBSCRIPTION, GROUP)
)

# What operations there are is no secret of any resource group, though clients ask one of them.
LIST_OPERATIONS = f"{NAMESPACE}/operations/read"


def authorize(request: HttpRequest, caller: Caller) -> None:
    """Lets a request through to its route, or not.

    The action is told from the route's address, the place from the names in it; so there is no
    route that has none. What is outside every subscription (the list of operations, the
    definitions of roles) is for everybody who signed in.

    Raises:
        RefusedError: SubscriptionNotFound or ResourceNotFound (404), of somebody else's
            subscription; AuthorizationFailed (403), in one's own.

    Source: SPEC AC-1, AC-3.
    """
    match = request.resolver_match
    if match is None:
        raise TypeError("a request is authorized after its route was found")
    # For the audit, refused or not.
    request.caller = caller  # type: ignore[attr-defined] # read by api.auditing
    names = match.kwargs
    if "subscription_id" not in names:
        return
    group, vault_name = names.get("resource_group", ""), names.get("vault_name", "")
    if caller.subscription_id != read_uuid(names["subscription_id"]):
        if vault_name:
            raise vault_not_found(vault_name, group)
        raise subscription_not_found(names["subscription_id"])
    vault = None
    if vault_name:
        vault = vaults.find_vault(caller.subscription_id, group, vault_name)
        request.authorized_vault = vault  # type: ignore[attr-defined] # read by authorized_vault
    action = action_of(str(request.method), match.route)
    if action == LIST_OPERATIONS or (request.method == "GET" and match.route in _LISTS):
        return
    place = (group, vault.id if vault is not None else None)
    rights = access.rights_at(caller.principal_id, caller.subscription_id, *place)
    if not rights.allow(action, *place):
        scope = request.path_info if request.method != "POST" else _parent(request.path_info)
        raise not_authorized(caller.name, str(caller.principal_id), action, scope)


def authorized_vault(request: HttpRequest) -> Vault | None:
    """The vault `authorize` found for a request that may do what it asks; None: there is none."""
    vault = getattr(request, "authorized_vault", None)
    return vault if isinstance(vault, Vault) else None


def _parent(path: str) -> str:
    """Address of the resource an operation is one of."""
    return path.rpartition("/")[0]
