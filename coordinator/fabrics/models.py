"""Tables of the fabrics domain."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.vaults.models import Vault


class Fabric(models.Model):
    """A registered VMM server (or VMM cluster role)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="fabrics")
    # Name in resource ids; the friendly name is for people and may change.
    name = models.CharField(max_length=64)
    friendly_name = models.CharField(max_length=255)
    installation_id = models.CharField(max_length=64)
    vmm_fqdn = models.CharField(max_length=255)
    vmm_product_version = models.CharField(max_length=64)
    synchronize_all_clouds = models.BooleanField(default=True)
    registered_at = models.DateTimeField()
    # Revision of the inventory the coordinator holds; 0 before the first.
    inventory_revision = models.BigIntegerField(default=0)
    inventory_at = models.DateTimeField(null=True)
    # When the look began that it is of, by the server's clock.
    looked_at = models.DateTimeField(null=True)
    # Revision up to which protected items follow their machines.
    followed_revision = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vault", "name"], name="fabric_name_unique"),
            models.UniqueConstraint(
                fields=["vault", "installation_id"], name="fabric_installation_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.friendly_name


class Provider(models.Model):
    """The agent on a VMM server; its certificate is its identity."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="providers")
    fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="providers")
    name = models.CharField(max_length=64)
    # SHA-256 of the SubjectPublicKeyInfo: equal when a registration is repeated.
    public_key_sha256 = models.BinaryField(max_length=32)
    certificate_serial = models.CharField(max_length=64)
    certificate_not_after = models.DateTimeField()
    # The one before a renewal: good until the new one is first used, as its bearer may never have
    # received the answer.
    previous_certificate_serial = models.CharField(max_length=64, default="")
    agent_version = models.CharField(max_length=64)
    registered_at = models.DateTimeField()
    unregistered_at = models.DateTimeField(null=True)
    # The newest session; ownership of the stream is (gateway_id, fence).
    fence = models.BigIntegerField(default=0)
    gateway_id = models.CharField(max_length=64, default="")
    connected_at = models.DateTimeField(null=True)
    last_heartbeat_at = models.DateTimeField(null=True)
    disconnected_at = models.DateTimeField(null=True)
    capabilities = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vault", "name"], name="provider_name_unique"),
            models.UniqueConstraint(fields=["public_key_sha256"], name="provider_key_unique"),
        ]

    def __str__(self) -> str:
        return f"provider of {self.fabric_id}"


class InventoryRecord(models.Model):
    """What a fabric holds, one row an object.

    An object that VMM no longer has keeps its row, marked, because others may point at it.
    """

    id = models.BigAutoField(primary_key=True)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="+")
    fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="%(class)ss")
    # VMM's ID of the object.
    external_id = models.CharField(max_length=128)
    name = models.CharField(max_length=255)
    # The wire message as JSON with proto field names.
    details = models.JSONField()
    gone_at = models.DateTimeField(null=True)
    # In which the object last changed, came or went.
    revision = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class Cloud(InventoryRecord):
    """A protection container."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["fabric", "external_id"], name="cloud_unique")
        ]

    def __str__(self) -> str:
        return self.name


class Host(InventoryRecord):
    """A Hyper-V host; its name is its FQDN in lower case."""

    host_group_path = models.CharField(max_length=1024)
    cluster_fqdn = models.CharField(max_length=255, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["fabric", "external_id"], name="host_unique")
        ]

    def __str__(self) -> str:
        return self.name


class VirtualMachine(InventoryRecord):
    """A protectable item: a machine VMM knows."""

    # Hyper-V's id, lower case, equal on both sites.
    vm_id = models.CharField(max_length=36, db_index=True)
    cloud_external_id = models.CharField(max_length=128, default="", db_index=True)
    host_fqdn = models.CharField(max_length=255, default="")
    state = models.CharField(max_length=64, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["fabric", "external_id"], name="machine_unique")
        ]
        indexes = [models.Index(fields=["fabric", "revision"], name="machine_revision")]

    def __str__(self) -> str:
        return self.name


class SettledMachine(models.Model):
    """A machine that commands changed lately; see `settled`."""

    id = models.BigAutoField(primary_key=True)
    fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="+")
    # Hyper-V's id, lower case: of the machine and of copies of it at this server.
    vm_id = models.CharField(max_length=36)
    # By the server's clock, which also says when its looks began.
    settled_at = models.DateTimeField()
    # By the coordinator's.
    noted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["fabric", "vm_id"], name="settled_machine_unique")
        ]

    def __str__(self) -> str:
        return self.vm_id


class FabricObject(InventoryRecord):
    """Any other kind: networks, logical networks, classifications, storage, pools, clusters."""

    # Name of the field of the wire's InventoryObject.
    kind = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fabric", "kind", "external_id"], name="fabric_object_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
