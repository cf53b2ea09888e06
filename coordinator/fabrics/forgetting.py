"""Removing what is kept about a server that is no longer registered."""

from __future__ import annotations

from typing import Any

from django.db.models import ProtectedError

from coordinator.fabrics.models import (
    Cloud,
    Fabric,
    FabricObject,
    Host,
    SettledMachine,
    VirtualMachine,
)
from coordinator.failures import refuse


def forget_fabric(fabric: Fabric) -> None:
    """Deletes a server's inventory and what describes the server; its row and number stay.

    Raises:
        RefusedError: FabricInUse, status 409: pairings use its clouds.

    Idempotent. Source: SPEC PV-1.
    """
    try:
        for table in (VirtualMachine, Cloud, Host, FabricObject, SettledMachine):
            # Typed so because the tables have nothing in common but their fabric.
            manager: Any = table.objects
            manager.filter(fabric=fabric).delete()
    except ProtectedError as error:
        raise refuse(
            "FabricInUse",
            f"{fabric.friendly_name} cannot be forgotten: its clouds are paired.",
            causes=["Clouds of the server belong to pairings, or machines in them are protected."],
            action="Disable protection and dissociate the policies of its clouds first.",
            status=409,
        ) from error
    fabric.friendly_name = fabric.name
    fabric.vmm_fqdn = ""
    fabric.vmm_product_version = ""
    fabric.inventory_revision = 0
    # A server that is registered again counts its revisions anew.
    fabric.followed_revision = 0
    fabric.inventory_at = fabric.looked_at = None
    fabric.save()
