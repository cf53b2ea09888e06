"""Table of first copies: who waits for a turn, and who has one."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from coordinator.protection.models.items import ProtectedItem
from coordinator.vaults.models import Vault

WAITING = Q(granted_at=None, ended_at=None)
RUNNING = Q(granted_at__isnull=False, ended_at=None)


class FirstCopy(models.Model):
    """The first copy of an item over the network; goes with the item."""

    id = models.BigAutoField(primary_key=True)
    item = models.OneToOneField(ProtectedItem, on_delete=models.CASCADE, related_name="first_copy")
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="+")
    # The job EnableDr that waits for the turn.
    job_id = models.UUIDField()
    # Equal for copies that were asked for together: requests take turns.
    request = models.CharField(max_length=200)
    # When it came into line, and not before when it takes part in it.
    joined_at = models.DateTimeField()
    since = models.DateTimeField()
    # When others first took a place it could have used.
    passed_at = models.DateTimeField(null=True)
    # FQDNs in lower case; of a waiting copy the source is where the machine was when it joined.
    source_host = models.CharField(max_length=255)
    recovery_host = models.CharField(max_length=255)
    # Which of the places of its hosts it has, from 0.
    source_place = models.PositiveSmallIntegerField(null=True)
    recovery_place = models.PositiveSmallIntegerField(null=True)
    granted_at = models.DateTimeField(null=True)
    # When its host had begun, or was told in vain; from then on reports say whether it runs.
    begun_at = models.DateTimeField(null=True)
    # When its places were given back, or it left the line.
    ended_at = models.DateTimeField(null=True)
    # What it waits for, for people.
    waits_for = models.CharField(max_length=255, default="")

    class Meta:
        indexes = [
            models.Index(fields=["vault", "since"], name="first_copy_waiting", condition=WAITING),
            models.Index(fields=["request"], name="first_copy_request"),
        ]
        constraints = [
            # Whatever workers do, no place of a host is given twice.
            models.UniqueConstraint(
                fields=["vault", "source_host", "source_place"],
                name="first_copy_source_place",
                condition=RUNNING,
            ),
            models.UniqueConstraint(
                fields=["vault", "recovery_host", "recovery_place"],
                name="first_copy_recovery_place",
                condition=RUNNING,
            ),
        ]

    def __str__(self) -> str:
        return f"first copy of {self.item_id}"
