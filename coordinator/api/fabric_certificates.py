"""Routes of renewing the certificates that a server's hosts replicate with."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import FabricPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.fabrics import require_fabric
from coordinator.api.long_operations import accepted
from coordinator.api.openapi.bodies import words
from coordinator.api.paths import FABRIC
from coordinator.api.responses import begins
from coordinator.failures import refuse
from coordinator.protection.services import renew_server_certificates

router = Router()

# ASR's word for it.
CLOUD = "Cloud"


class RenewProperties(RequestPart):
    renewCertificateType: Annotated[str, words(CLOUD)] | None = None  # noqa: N815 - the API's name


class RenewInput(RequestPart):
    """Which certificates to renew: those of the hosts in paired clouds are all there are."""

    properties: RenewProperties = RenewProperties()


@router.post(f"{FABRIC}/renewCertificate", response=begins())
@served
def begin_renewal(
    request: HttpRequest, path: Path[FabricPath], body: RenewInput | None = None
) -> Answer:
    """Gives all hosts of the server that replicate with certificates new ones."""
    call = open_vault(request, path)
    fabric = require_fabric(call, path.fabric_name)
    kind = None if body is None else body.properties.renewCertificateType
    if kind is not None and kind.lower() != CLOUD.lower():
        raise refuse(
            "InvalidCertificateType",
            f"The value '{kind[:64]}' of renewCertificateType is not allowed.",
            causes=[f"renewCertificateType must be {CLOUD}."],
            action=f"Give renewCertificateType as {CLOUD}, or leave it out.",
            field="properties.renewCertificateType",
        )
    resource_id = call.ids.child(FABRIC, fabric_name=fabric.name)
    job = renew_server_certificates(fabric, call.origin(resource_id), call.now)
    return accepted(call, resource_id, job)
