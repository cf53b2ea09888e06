"""Requests about policies."""

from __future__ import annotations

from tests.integration.api.bad_input.example import Example

FIELDS = {
    "instanceType": "HyperVReplica2012R2",
    "allowedAuthenticationType": 2,
    "replicationPort": 8084,
    "replicationFrequencyInSeconds": 300,
    "recoveryPoints": 6,
    "applicationConsistentSnapshotFrequencyInHours": 2,
    "compression": "Enable",
    "initialReplicationMethod": "OverNetwork",
    "onlineReplicationStartTime": "22:00:00",
    "replicaDeletion": "NotRequired",
}
OFFLINE = {
    "instanceType": "HyperVReplica2012R2",
    "initialReplicationMethod": "Offline",
    "offlineReplicationExportPath": "\\\\Files1\\Out",
    "offlineReplicationImportPath": "D:\\In",
}
MADE = ("properties", "providerSpecificInput")
CHANGED = ("properties", "replicationProviderSettings")

POLICIES = (
    Example(
        name="make a policy",
        method="PUT",
        path="/replicationPolicies/another",
        body={"properties": {"providerSpecificInput": FIELDS}},
        # Each has a default, but the kind of hosts.
        harmless={(*MADE, name): [None] for name in FIELDS if name != "instanceType"},
    ),
    Example(
        name="make a policy for copies that are carried",
        method="PUT",
        path="/replicationPolicies/another",
        body={"properties": {"providerSpecificInput": OFFLINE}},
    ),
    Example(
        name="change a policy",
        method="PATCH",
        path="/replicationPolicies/Policy-1",
        body={"properties": {"replicationProviderSettings": FIELDS}},
        harmless={
            ("properties",): [],
            CHANGED: [None],
            **{(*CHANGED, name): [None] for name in FIELDS},
        },
    ),
    Example(
        name="have copies carried from now on",
        method="PATCH",
        path="/replicationPolicies/Policy-1",
        body={"properties": {"replicationProviderSettings": OFFLINE}},
        harmless={("properties",): [], CHANGED: [None], (*CHANGED, "instanceType"): [None]},
    ),
)
