"""Which replication certificates hosts were given, and which of them are to go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from coordinator.protection.models import HostCertificate, PairedHost


def record_issued(
    host_ids: Iterable[int], thumbprint: str, not_after: datetime, now: datetime
) -> None:
    """A certificate is about to be installed on hosts. Idempotent."""
    HostCertificate.objects.bulk_create(
        [
            HostCertificate(
                host_id=host_id, thumbprint=thumbprint, issued_at=now, not_after=not_after
            )
            for host_id in host_ids
        ],
        ignore_conflicts=True,
    )


def record_switched(host_id: int, thumbprint: str, not_after: datetime, now: datetime) -> None:
    """A host receives with a certificate from now on: all its others are superseded.

    Every pairing of the host replicates with it from now on. Idempotent.
    """
    rows = PairedHost.objects.filter(host_id=host_id).exclude(certificate_thumbprint="")
    for row in rows.exclude(certificate_thumbprint=thumbprint):
        # Given before certificates were recorded one by one.
        HostCertificate.objects.get_or_create(
            host_id=host_id,
            thumbprint=row.certificate_thumbprint,
            defaults={
                "issued_at": row.configured_at,
                "not_after": row.certificate_not_after or now,
            },
        )
    rows.update(certificate_thumbprint=thumbprint, certificate_not_after=not_after)
    known = HostCertificate.objects.filter(host_id=host_id)
    known.exclude(thumbprint=thumbprint).filter(superseded_at=None).update(superseded_at=now)
    known.filter(thumbprint=thumbprint).update(superseded_at=None)


def superseded_on(host_ids: Iterable[int]) -> dict[int, list[str]]:
    """By host the thumbprints that are to be removed from it."""
    found: dict[int, list[str]] = {}
    for known in HostCertificate.objects.filter(
        host_id__in=list(host_ids), superseded_at__isnull=False
    ).order_by("issued_at", "thumbprint"):
        found.setdefault(known.host_id, []).append(known.thumbprint)
    return found


def thumbprints_on(host_ids: Iterable[int]) -> list[str]:
    """All certificates that were ever given to hosts and not removed, in order of their issue."""
    ids = list(host_ids)
    issued = HostCertificate.objects.filter(host_id__in=ids).order_by("issued_at", "thumbprint")
    used = PairedHost.objects.filter(host_id__in=ids).exclude(certificate_thumbprint="")
    return list(
        dict.fromkeys(
            [
                *issued.values_list("thumbprint", flat=True),
                *used.values_list("certificate_thumbprint", flat=True),
            ]
        )
    )


def forget(host_ids: Iterable[int], thumbprints: Iterable[str] | None = None) -> None:
    """Certificates are no longer on hosts; None: none of them. Idempotent."""
    known = HostCertificate.objects.filter(host_id__in=list(host_ids))
    if thumbprints is not None:
        known = known.filter(thumbprint__in=list(thumbprints))
    known.delete()
