"""The kinds of documents, with their fields; what each of them is told apart by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from coordinator.cli.apply.documents import Path, Value
from coordinator.cli.apply.field_types import (
    Field,
    ListOf,
    Names,
    Rate,
    Record,
    Text,
    TimeOfDay,
    Whole,
    YesNo,
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
RUNS = ("test", "planned", "unplanned")
WAYS = ("there", "back")
SIDES = ("Primary", "Recovery")
DEFAULT_PORTS = {"kerberos": 8083, "certificate": 8084}
# ASR's limit of a script.
SCRIPT_SECONDS = 600
LONGEST_WAIT_SECONDS = 30 * 24 * 3600


class Kind(StrEnum):
    """Kinds of documents, in the order in which they need each other."""

    POLICY = "policy"
    PAIRING = "pairing"
    NETWORK_MAPPING = "networkMapping"
    STORAGE_MAPPING = "storageMapping"
    BANDWIDTH_LIMIT = "bandwidthLimit"
    RECOVERY_PLAN = "recoveryPlan"
    ALERT_SETTINGS = "alertSettings"


Spec: TypeAlias = Mapping[str, Value]
Wrong: TypeAlias = tuple[Path, str, str] | None


@dataclass(frozen=True)
class Schema:
    """A kind of documents.

    Attributes:
        spec: Its fields.
        key: What tells one from another, of its name and its fields.
        complete: Fills in what follows from other fields.
        can_be_removed: Whether --prune can take it away.
    """

    spec: Record
    key: Callable[[str, Spec], tuple[str, ...]]
    complete: Callable[[Spec], Spec] = dict
    can_be_removed: bool = True


def _place(*words: str) -> Record:
    return Record(tuple(Field(word, Text(folded=True), fixed=True) for word in words))


def _by_name(name: str, spec: Spec) -> tuple[str, ...]:
    del spec
    return (name.casefold(),)


def _only(name: str, spec: Spec) -> tuple[str, ...]:
    """There is one of it in a vault."""
    del name, spec
    return ()


def text_at(spec: Value, *path: str) -> str:
    """A text deep in a spec; empty when it is not there."""
    for word in path:
        spec = spec.get(word) if isinstance(spec, Mapping) else None
    return spec if isinstance(spec, str) else ""


def _by_source(thing: str) -> Callable[[str, Spec], tuple[str, ...]]:
    """A thing of a server is mapped once to each other server, whatever the mapping is called."""

    def key(name: str, spec: Spec) -> tuple[str, ...]:
        del name
        places = (("source", "server"), ("source", thing), ("target", "server"))
        return tuple(text_at(spec, *place).casefold() for place in places)

    return key


def _by_cloud(name: str, spec: Spec) -> tuple[str, ...]:
    """Names of pairings are those of one cloud."""
    places = (("source", "server"), ("source", "cloud"))
    return (*(text_at(spec, *place).casefold() for place in places), name.casefold())


def _check_policy(spec: Spec) -> Wrong:
    if spec["hostVersion"] == "2012" and spec["replicationFrequencySeconds"] != 300:
        message = "Hosts of 2012 replicate every 300 seconds only."
        return ("replicationFrequencySeconds",), message, "Give 300, or hostVersion 2012R2."
    points, hours = spec["recoveryPoints"], spec["applicationConsistentHours"]
    if isinstance(points, int) and isinstance(hours, int) and hours and hours >= points:
        message = f"It must be less than the {points} recovery points."
        return ("applicationConsistentHours",), message, "Keep more recovery points, or give 0."
    offline = spec["firstCopy"] == "offline"
    for path in ("exportPath", "importPath"):
        if bool(spec[path]) != offline:
            message = f"A first copy that is {'' if offline else 'not '}offline needs "
            message += f"{'a path' if offline else 'no paths'}."
            return (path,), message, "Say firstCopy and the two paths together."
    if offline and spec["startTime"]:
        return ("startTime",), "An offline first copy has no time of day.", "Leave it out."
    return None


def _complete_policy(spec: Spec) -> Spec:
    port = spec["port"] or DEFAULT_PORTS[str(spec["authentication"])]
    return {**spec, "port": port}


POLICY = Record(
    (
        Field("hostVersion", Text(choices=("2012", "2012R2")), "2012R2"),
        Field("replicationFrequencySeconds", Whole(choices=(30, 300, 900)), 300),
        Field("recoveryPoints", Whole(high=24), 0),
        Field("applicationConsistentHours", Whole(high=12), 0),
        Field("authentication", Text(choices=("certificate", "kerberos")), "certificate"),
        Field("port", Whole(low=1, high=65535, may_be_nothing=True), None),
        Field("compression", YesNo(), default=False),
        Field("deleteReplica", YesNo(), default=False),
        Field("firstCopy", Text(choices=("network", "offline")), "network"),
        Field("startTime", Text(may_be_empty=True), ""),
        Field("exportPath", Text(may_be_empty=True), ""),
        Field("importPath", Text(may_be_empty=True), ""),
    ),
    _check_policy,
)

CLOUD = _place("server", "cloud")
PAIRING = Record(
    (
        Field("source", CLOUD, fixed=True),
        Field("target", CLOUD, fixed=True),
        Field("policy", Text(folded=True), fixed=True),
    )
)


def _mapping(thing: str) -> Record:
    """A mapping: of what it is cannot be changed, to what can within the target server."""
    target = Record(
        (Field("server", Text(folded=True), fixed=True), Field(thing, Text(folded=True)))
    )
    return Record((Field("source", _place("server", thing), fixed=True), Field("target", target)))


def _check_limit(spec: Spec) -> Wrong:
    if spec["limit"] is None and not spec["windows"]:
        return ("limit",), "Nothing is limited.", "Give a limit, or windows with one each."
    return None


WINDOW = Record(
    (
        Field("days", Names(choices=DAYS, at_least=1)),
        Field("start", TimeOfDay()),
        Field("end", TimeOfDay()),
        Field("limit", Rate()),
    )
)
BANDWIDTH_LIMIT = Record(
    (
        Field("limit", Rate(may_be_nothing=True), None),
        Field("timeZone", Text(), "UTC"),
        Field("windows", ListOf(WINDOW), ()),
    ),
    _check_limit,
)


def _check_action(spec: Spec) -> Wrong:
    if bool(spec["script"]) == bool(spec["manual"]):
        message = "An action is a script or a manual action."
        return ("script",), message, "Give either script or manual."
    seconds = spec["timeLimitSeconds"]
    if spec["script"] and isinstance(seconds, int) and seconds > SCRIPT_SECONDS:
        message = f"A script has at most {SCRIPT_SECONDS} seconds."
        return ("timeLimitSeconds",), message, "Give less, or leave it out."
    if spec["manual"] and spec["sha256"]:
        return ("sha256",), "Only scripts have a SHA-256.", "Leave it out."
    return None


ACTION = Record(
    (
        Field("name", Text()),
        Field("script", Text(may_be_empty=True), ""),
        Field("manual", Text(may_be_empty=True), ""),
        Field("side", Text(choices=SIDES), "Recovery"),
        Field("run", Names(choices=RUNS, at_least=1), RUNS),
        Field("way", Names(choices=WAYS, at_least=1), ("there",)),
        Field(
            "timeLimitSeconds",
            Whole(low=1, high=LONGEST_WAIT_SECONDS, may_be_nothing=True),
            None,
        ),
        Field("sha256", Text(may_be_empty=True), ""),
        Field("onFailure", Text(choices=("default", "Stop", "Continue")), "default"),
    ),
    _check_action,
)
ACTIONS = (Field("before", ListOf(ACTION), ()), Field("after", ListOf(ACTION), ()))
PHASE = Record(ACTIONS)
GROUP = Record((Field("machines", Names(at_least=1)), *ACTIONS))


def _check_plan(spec: Spec) -> Wrong:
    groups = spec["groups"]
    met: dict[str, int] = {}
    for number, group in enumerate(groups if isinstance(groups, Sequence) else ()):
        machines = group.get("machines") if isinstance(group, Mapping) else ()
        for name in machines if isinstance(machines, Sequence) else ():
            key = str(name).casefold()
            if key in met:
                message = f'"{name}" is in the groups {met[key] + 1} and {number + 1}.'
                return ("groups", number, "machines"), message, "Leave it out of one of them."
            met[key] = number
    if not met:
        return ("groups",), "The plan has no machine.", "Name protected machines in a group."
    return None


def _complete_plan(spec: Spec) -> Spec:
    """What the coordinator makes of an action, whoever wrote it."""
    whole = dict(spec)
    for phase in ("shutdown", "failover"):
        whole[phase] = _complete_actions(whole[phase])
    groups = whole["groups"]
    assert isinstance(groups, Sequence)  # noqa: S101 - a Reader made it
    whole["groups"] = [_complete_actions(group) for group in groups]
    return whole


def _complete_actions(place: Value) -> Value:
    assert isinstance(place, Mapping)  # noqa: S101 - a Reader made it
    whole = dict(place)
    for side in ("before", "after"):
        actions = place[side]
        assert isinstance(actions, Sequence)  # noqa: S101 - a Reader made it
        whole[side] = [_complete_action(one) for one in actions]
    return whole


def _complete_action(action: Value) -> Value:
    assert isinstance(action, Mapping)  # noqa: S101 - a Reader made it
    if action["script"]:
        path = str(action["script"]).replace("/", "\\").removeprefix("\\")
        limit = action["timeLimitSeconds"] or SCRIPT_SECONDS
        digest = str(action["sha256"]).lower()
        return {**action, "script": path, "timeLimitSeconds": limit, "sha256": digest}
    # Nobody's server does what a person does.
    return {**action, "side": SIDES[1]}


RECOVERY_PLAN = Record(
    (
        Field("primaryServer", Text(folded=True), fixed=True),
        Field("recoveryServer", Text(folded=True), fixed=True),
        Field("shutdown", PHASE, {}),
        Field("failover", PHASE, {}),
        Field("groups", ListOf(GROUP)),
    ),
    _check_plan,
)
ALERT_SETTINGS = Record(
    (
        Field("sendToOwners", YesNo(), default=False),
        Field("addresses", Names(), ()),
        Field("locale", Text(), "en-US"),
    )
)

SCHEMAS: Mapping[Kind, Schema] = {
    Kind.POLICY: Schema(POLICY, _by_name, _complete_policy),
    Kind.PAIRING: Schema(PAIRING, _by_cloud),
    Kind.NETWORK_MAPPING: Schema(_mapping("network"), _by_source("network")),
    Kind.STORAGE_MAPPING: Schema(_mapping("classification"), _by_source("classification")),
    Kind.BANDWIDTH_LIMIT: Schema(BANDWIDTH_LIMIT, _by_name),
    Kind.RECOVERY_PLAN: Schema(RECOVERY_PLAN, _by_name, _complete_plan),
    Kind.ALERT_SETTINGS: Schema(ALERT_SETTINGS, _only, can_be_removed=False),
}
