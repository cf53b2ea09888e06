"""Objects in bodies that rules read field by field, as the document of the API tells of them.

Routes take them as they come; their words and limits here are those of the rules.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import WithJsonSchema

from coordinator.protection.rules import InstanceType

Schema = Mapping[str, object]


def words(*known: str) -> WithJsonSchema:
    """Of a text that is one of some words; their case does not matter."""
    return WithJsonSchema(_word(*known))


def _optional(**schema: object) -> dict[str, object]:
    """A field that may be null or left out: it takes its default."""
    return {"anyOf": [schema, {"type": "null"}]}


def _word(*words: str) -> dict[str, object]:
    return {"type": "string", "enum": list(words)}


_PATH = {"type": "string", "maxLength": 1024}
POLICY_SETTINGS: Schema = {
    "type": "object",
    "description": "A policy's settings, as coordinator.protection.policies checks them.",
    "additionalProperties": False,
    "properties": {
        "instanceType": {
            **_word(*InstanceType),
            "description": "The generation of the hosts: the second one is 2012 R2 and later.",
        },
        "replicationFrequencyInSeconds": _optional(
            type="integer",
            enum=[30, 300, 900],
            description="300 if left out; hosts of 2012 have no other.",
        ),
        "recoveryPoints": _optional(
            type="integer", minimum=0, maximum=24, description="15 at most on hosts of 2012."
        ),
        "applicationConsistentSnapshotFrequencyInHours": _optional(
            type="integer",
            minimum=0,
            maximum=12,
            description="0: none; less than the number of recovery points.",
        ),
        "compression": _optional(**_word("Enable", "Disable")),
        "initialReplicationMethod": _optional(**_word("OverNetwork", "Offline")),
        "onlineReplicationStartTime": _optional(
            type="string",
            pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?$",
            description="A time of day in UTC; empty: at once.",
        ),
        "offlineReplicationExportPath": _optional(
            **_PATH, description="A local path or a share; with Offline only."
        ),
        "offlineReplicationImportPath": _optional(
            **_PATH, description="A local path or a share; with Offline only."
        ),
        "replicationPort": _optional(type="integer", minimum=1, maximum=65535),
        "allowedAuthenticationType": _optional(
            type="integer", enum=[1, 2], description="1: Kerberos, 2: certificates."
        ),
        "replicaDeletion": _optional(**_word("Required", "NotRequired")),
    },
}
_BITS = {"type": "integer", "minimum": 8192, "maximum": 1_000_000_000_000}
_CLOCK = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
LIMIT_SCHEDULE: Schema = {
    "type": "object",
    "description": "A limit of each host's replication, always or in windows, or both.",
    "properties": {
        "bitsPerSecond": _optional(**_BITS, description="Outside the windows; null: no limit."),
        "timeZone": _optional(type="string", description="IANA's name of it; UTC if left out."),
        "windows": _optional(
            type="array",
            maxItems=50,
            items={
                "type": "object",
                "required": ["days", "start", "end", "bitsPerSecond"],
                "properties": {
                    "days": {
                        "type": "array",
                        "minItems": 1,
                        "items": _word(
                            "Monday",
                            "Tuesday",
                            "Wednesday",
                            "Thursday",
                            "Friday",
                            "Saturday",
                            "Sunday",
                        ),
                    },
                    "start": _CLOCK,
                    "end": {**_CLOCK, "description": "Up to the start: on the next day."},
                    "bitsPerSecond": _BITS,
                },
            },
        ),
    },
}
PLAN_ACTION: Schema = {
    "type": "object",
    "description": "ScriptActionDetails: a script of the library share of the server of the side"
    " `fabricLocation` (Primary or Recovery), by its `path`, with a `timeout` (PT10M) and, beyond"
    " ASR's model, the `sha256` that it must have. ManualActionDetails: what people do, in"
    " `description`; beyond ASR's model with a `timeout`, after which they are reminded.",
    "required": ["instanceType"],
    "examples": [
        {
            "instanceType": "ScriptActionDetails",
            "path": "\\RPScripts\\Start.ps1",
            "timeout": "PT10M",
            "fabricLocation": "Recovery",
        },
        {"instanceType": "ManualActionDetails", "description": "See that the application runs."},
    ],
}
