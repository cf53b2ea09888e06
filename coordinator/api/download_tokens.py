"""Signed tokens that open one file for a while, for whoever holds them: ASR's "sasToken"."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

from django.core import signing

LIFETIME = timedelta(hours=1)
_SALT = "coordinator.api.job-export"


def sas_token(vault_id: UUID, job_id: UUID) -> str:
    """The query that opens the file of an export; good for an hour from now."""
    token = signing.dumps([str(vault_id), str(job_id)], salt=_SALT)
    return f"?sig={quote(token, safe='')}"


def vault_of_token(signature: str, job_id: UUID) -> UUID | None:
    """The vault whose export a signature opens; None when it opens none, or no more."""
    try:
        vault_id, signed_job_id = signing.loads(signature, salt=_SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    return UUID(vault_id) if signed_job_id == str(job_id) else None
