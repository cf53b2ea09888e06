"""Reading and checking a replication policy's fields as ASR's API names them (SPEC PO-1, PO-4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from coordinator.failures import RefusedError, refuse


class InstanceType(StrEnum):
    """The portal's "Hyper-V host version"; the second one means 2012 R2 and later."""

    WINDOWS_2012 = "HyperVReplica2012"
    WINDOWS_2012_R2 = "HyperVReplica2012R2"


class Authentication(StrEnum):
    """How two hosts prove to each other who they are."""

    KERBEROS = "Kerberos"
    CERTIFICATE = "Certificate"


class InitialReplicationMethod(StrEnum):
    OVER_NETWORK = "OverNetwork"
    OFFLINE = "Offline"


# allowedAuthenticationType in ASR's requests is a number.
AUTHENTICATION_NUMBERS = {1: Authentication.KERBEROS, 2: Authentication.CERTIFICATE}
# The wire's names of AuthenticationType.
WIRE_AUTHENTICATION = {
    Authentication.KERBEROS: "AUTHENTICATION_TYPE_KERBEROS",
    Authentication.CERTIFICATE: "AUTHENTICATION_TYPE_CERTIFICATE",
}
DEFAULT_PORTS = {Authentication.KERBEROS: 8083, Authentication.CERTIFICATE: 8084}
FREQUENCIES_SECONDS = {
    InstanceType.WINDOWS_2012: (300,),
    InstanceType.WINDOWS_2012_R2: (30, 300, 900),
}
MOST_RECOVERY_POINTS = {InstanceType.WINDOWS_2012: 15, InstanceType.WINDOWS_2012_R2: 24}
MOST_APPLICATION_CONSISTENT_HOURS = 12
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._() -]{0,62}[A-Za-z0-9.)_-]|[A-Za-z0-9]")
TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
# A local path, or a share.
OFFLINE_PATH = re.compile(r"[A-Za-z]:\\[^<>|?*\"]*|\\\\[^\\<>|?*\"]+\\[^<>|?*\"]+")
# Fields a policy may have; a misspelt one must not be taken for "not given".
FIELDS = frozenset(
    {
        "instanceType",
        "replicationFrequencyInSeconds",
        "recoveryPoints",
        "applicationConsistentSnapshotFrequencyInHours",
        "compression",
        "initialReplicationMethod",
        "onlineReplicationStartTime",
        "offlineReplicationExportPath",
        "offlineReplicationImportPath",
        "replicationPort",
        "allowedAuthenticationType",
        "replicaDeletion",
    }
)


@dataclass(frozen=True, kw_only=True)
class PolicyFields:
    """A policy's settings, checked; names and units are those of the table."""

    instance_type: InstanceType
    authentication_type: Authentication
    replication_port: int
    replication_frequency_seconds: int
    recovery_points: int
    application_consistent_hours: int
    compression: bool
    initial_replication_method: InitialReplicationMethod
    online_replication_start_time: str
    offline_export_path: str
    offline_import_path: str
    delete_replica: bool


def wrong_field(field: str, value: object, allowed: str) -> RefusedError:
    """The refusal of one field: its name, its value, what is allowed."""
    return refuse(
        "InvalidPolicyField",
        f"The value {value!r} of {field} is not allowed.",
        causes=(f"{field} must be {allowed}.",),
        action=f"Give {field} as {allowed}.",
        field=field,
    )


def check_name(name: str) -> None:
    """Refuses a policy name that could not stand in a resource id.

    Raises:
        RefusedError: With the field "name".
    """
    if not NAME.fullmatch(name):
        raise wrong_field(
            "name",
            name,
            "1 to 64 letters, digits, spaces, dots, dashes, underscores or parentheses, "
            "beginning with a letter or digit",
        )


def read_policy(given: Mapping[str, object]) -> PolicyFields:
    """Reads ASR's providerSpecificInput of a policy.

    Args:
        given: Field names of the API; absent or null fields take the defaults ASR's clients had.

    Returns:
        Fields that fit each other.

    Raises:
        RefusedError: The first field that does not fit, with its name, value and what is allowed.

    Source: SPEC PO-1, PO-4.
    """
    unknown = sorted(set(given) - FIELDS)
    if unknown:
        raise wrong_field(unknown[0], given[unknown[0]], "left out: a policy has no such field")
    instance_type = InstanceType(
        _one_of(given, "instanceType", [kind.value for kind in InstanceType], default="")
    )
    authentication = _authentication(given)
    recovery_points = _number(given, "recoveryPoints", 0, 0, MOST_RECOVERY_POINTS[instance_type])
    method = InitialReplicationMethod(
        _one_of(
            given,
            "initialReplicationMethod",
            [method.value for method in InitialReplicationMethod],
            default=InitialReplicationMethod.OVER_NETWORK,
        )
    )
    export_path, import_path = _offline_paths(given, method)
    return PolicyFields(
        instance_type=instance_type,
        authentication_type=authentication,
        replication_port=_number(given, "replicationPort", DEFAULT_PORTS[authentication], 1, 65535),
        replication_frequency_seconds=_frequency(given, instance_type),
        recovery_points=recovery_points,
        application_consistent_hours=_application_consistent_hours(given, recovery_points),
        compression=_one_of(given, "compression", ["Enable", "Disable"], "Disable") == "Enable",
        initial_replication_method=method,
        online_replication_start_time=_start_time(given, method),
        offline_export_path=export_path,
        offline_import_path=import_path,
        delete_replica=_one_of(given, "replicaDeletion", ["Required", "NotRequired"], "NotRequired")
        == "Required",
    )


def _one_of(given: Mapping[str, object], field: str, words: Sequence[str], default: str) -> str:
    value = given.get(field)
    if value is None and default:
        return default
    for word in words:
        if isinstance(value, str) and value.lower() == word.lower():
            return word
    raise wrong_field(field, value, " or ".join(words))


def _number(given: Mapping[str, object], field: str, default: int, least: int, most: int) -> int:
    value = given.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise wrong_field(field, value, f"a whole number from {least} to {most}")
    return value


def _authentication(given: Mapping[str, object]) -> Authentication:
    field = "allowedAuthenticationType"
    value = given.get(field)
    if value is None:
        return Authentication.CERTIFICATE
    if isinstance(value, int) and not isinstance(value, bool) and value in AUTHENTICATION_NUMBERS:
        return AUTHENTICATION_NUMBERS[value]
    raise wrong_field(field, value, "1 (Kerberos) or 2 (certificate)")


def _frequency(given: Mapping[str, object], instance_type: InstanceType) -> int:
    field = "replicationFrequencyInSeconds"
    allowed = FREQUENCIES_SECONDS[instance_type]
    value = given.get(field)
    if value is None:
        return 300
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        words = " or ".join(str(seconds) for seconds in allowed)
        raise wrong_field(field, value, f"{words} with {instance_type}")
    return value


def _application_consistent_hours(given: Mapping[str, object], recovery_points: int) -> int:
    field = "applicationConsistentSnapshotFrequencyInHours"
    hours = _number(given, field, 0, 0, MOST_APPLICATION_CONSISTENT_HOURS)
    if hours and hours >= recovery_points:
        raise wrong_field(
            field, hours, f"0 (off) or less than the {recovery_points} recovery points"
        )
    return hours


def _start_time(given: Mapping[str, object], method: InitialReplicationMethod) -> str:
    field = "onlineReplicationStartTime"
    value = given.get(field)
    if value is None or value == "":
        return ""
    if method is InitialReplicationMethod.OFFLINE:
        raise wrong_field(field, value, "left out with offline initial replication")
    if not isinstance(value, str) or not TIME_OF_DAY.fullmatch(value):
        raise wrong_field(field, value, "a time of day as HH:MM:SS (UTC), or empty for now")
    return value


def _offline_paths(
    given: Mapping[str, object], method: InitialReplicationMethod
) -> tuple[str, str]:
    return (
        _path(given, "offlineReplicationExportPath", method),
        _path(given, "offlineReplicationImportPath", method),
    )


def _path(given: Mapping[str, object], field: str, method: InitialReplicationMethod) -> str:
    value = given.get(field)
    if method is InitialReplicationMethod.OVER_NETWORK:
        if value not in (None, ""):
            raise wrong_field(field, value, "left out with initial replication over the network")
        return ""
    if not isinstance(value, str) or not OFFLINE_PATH.fullmatch(value):
        raise wrong_field(field, value, "a local path or an SMB share")
    return value
