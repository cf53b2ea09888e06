"""What the inventory says is wrong with a protected machine, as ASR's health errors: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FoundMachine:
    """A protected machine as VMM has it now; the cloud by VMM's id, empty for none.

    Attributes:
        withdrawn: VMM required its protection, and does no longer.
    """

    name: str
    host: str
    cloud_id: str
    withdrawn: bool = False


def machine_errors(
    name: str,
    found: FoundMachine | None,
    *,
    known: bool,
    cloud: tuple[str, str] | None,
    hosts: Collection[str],
    seen_at: Mapping[str, str],
) -> list[dict[str, object]]:
    """Health errors of an item; empty when its machine is where it should be.

    Args:
        name: The machine's, as it was last known.
        found: The machine now; None when VMM does not have it.
        known: VMM had it before.
        cloud: VMM's id and the name of the cloud it is protected in; None: not looked at.
        hosts: FQDNs of the hosts its pairing configured.
        seen_at: When an error was first seen, by its code; "" for the others.
    """
    if found is None:
        return [_deleted(name, seen_at)] if known else []
    errors = []
    if cloud is not None and found.cloud_id != cloud[0].lower():
        errors.append(
            _error(
                seen_at,
                "VirtualMachineLeftCloud",
                "Warning",
                f"{found.name} is no longer in the cloud {cloud[1]}.",
                "It was moved to another cloud, or out of all clouds, in VMM.",
                f"Move it back into {cloud[1]}, or disable its protection and protect it in the "
                "cloud it is in.",
            )
        )
    if found.host and hosts and found.host not in hosts:
        errors.append(
            _error(
                seen_at,
                "HostNotConfigured",
                "Warning",
                f"{found.name} is on {found.host}, which its pairing has not configured.",
                "It was migrated to a host outside of the cloud, to one whose generation of Windows"
                " its policy does not name, or to one added a moment ago.",
                "Move it to a host of its cloud and of its policy's generation; a host new in the "
                "cloud is configured by itself.",
            )
        )
    if found.withdrawn:
        errors.append(
            _error(
                seen_at,
                "ProtectionNotRequiredInVmm",
                "Warning",
                f"VMM no longer requires the protection of {found.name}, which goes on.",
                "The mark was taken away from the machine in VMM. That alone ends no protection: "
                "its replica would go with it.",
                "If it is no longer to be protected, disable its protection.",
            )
        )
    return errors


def _deleted(name: str, seen_at: Mapping[str, str]) -> dict[str, object]:
    return _error(
        seen_at,
        "VirtualMachineDeleted",
        "Error",
        f"VMM no longer has {name}.",
        "It was deleted, or taken out of VMM. A machine made anew under the same name is another "
        "one: its id in Hyper-V differs.",
        "If it was deleted on purpose, disable its protection. If not, fail over to the replica, "
        "or restore the machine.",
    )


def _error(
    seen_at: Mapping[str, str], code: str, level: str, message: str, cause: str, action: str
) -> dict[str, object]:
    return {
        "errorSource": "Fabric",
        "errorType": "VirtualMachine",
        "errorLevel": level,
        "errorCategory": "FabricInfrastructure",
        "errorCode": code,
        "summaryMessage": message,
        "errorMessage": message,
        "possibleCauses": cause,
        "recommendedAction": action,
        "creationTimeUtc": seen_at.get(code, seen_at[""]),
    }
