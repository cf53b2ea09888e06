"""The versions of the API that clients may speak, and where one differs from another."""

from __future__ import annotations

from coordinator.failures import refuse

# Of Site Recovery's, those whose properties are all in what the API answers; the oldest is what
# the PowerShell of ASR's last years for this scenario spoke.
SITE_RECOVERY = (
    "2018-07-10",
    "2021-02-10",
    "2021-03-01",
    "2021-04-01",
    "2021-06-01",
    "2021-07-01",
    "2021-08-01",
    "2021-10-01",
    "2021-11-01",
    "2021-12-01",
    "2022-01-01",
    "2022-02-01",
    "2022-03-01",
    "2022-04-01",
    "2022-05-01",
    "2022-08-01",
    "2022-09-10",
    "2022-10-01",
    "2023-01-01",
    "2023-02-01",
    "2023-04-01",
    "2023-06-01",
    "2023-08-01",
    "2024-01-01",
    "2024-02-01",
    "2024-04-01",
    "2024-10-01",
    "2025-01-01",
    "2025-02-01",
    "2025-08-01",
)
# Of vaults, which Microsoft's packages of the last years speak beyond those.
VAULTS = ("2026-01-01", "2026-02-01", "2026-05-01", "2026-07-01", "2026-11-01")
SUPPORTED = (*SITE_RECOVERY, *VAULTS)
# Up to this one the status of an operation is at its job's own address.
LAST_WITH_STATUS_IN_JOB = "2018-07-10"


def require_api_version(version: str) -> None:
    """Looks at the api-version of a request.

    Args:
        version: As the client wrote it; empty: it did not.

    Raises:
        RefusedError: It is missing, or none of ours.
    """
    if not version:
        raise refuse(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
            causes=["The client did not say which version of the API it speaks."],
            action=f"Add api-version={SITE_RECOVERY[-1]} to the query.",
            field="api-version",
        )
    if version not in SUPPORTED:
        raise refuse(
            "InvalidApiVersionParameter",
            f"The api-version '{version[:32]}' is invalid. The supported versions are"
            f" '{','.join(SUPPORTED)}'.",
            causes=["The version is misspelt, a preview, or newer than this service."],
            action="Use one of the supported versions.",
            field="api-version",
        )


def status_in_job(version: str) -> bool:
    """Whether a client of this version looks for an operation's status in its job."""
    return version <= LAST_WITH_STATUS_IN_JOB
