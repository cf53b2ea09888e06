"""Table of machines for which protection is required in VMM."""

from __future__ import annotations

from django.db import models

from coordinator.fabrics.models import VirtualMachine


class VmmRequest(models.Model):
    """That VMM requires a machine's protection, and what became of it.

    The row stays as long as VMM requires it, so that a protection disabled here is not begun anew
    by a mark that nobody has taken away.
    """

    id = models.BigAutoField(primary_key=True)
    machine = models.OneToOneField(
        VirtualMachine, on_delete=models.CASCADE, related_name="vmm_request"
    )
    seen_at = models.DateTimeField()
    # When its protection began, or was found; null while it cannot begin.
    answered_at = models.DateTimeField(null=True)
    # When VMM no longer required what it had required.
    withdrawn_at = models.DateTimeField(null=True)
    # Why it cannot begin: a Failure as JSON.
    failure = models.JSONField(null=True)
    # How often it was tried, and when that is next worth while if the machine does not change.
    attempts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["retry_at"],
                name="vmm_request_open",
                condition=models.Q(answered_at=None, withdrawn_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"VMM requires {self.machine_id}"
