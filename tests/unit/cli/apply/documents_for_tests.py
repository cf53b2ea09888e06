"""Documents of every kind that hypothesis makes up."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from coordinator.cli.apply.differences import difference
from coordinator.cli.apply.documents import read_documents
from coordinator.cli.apply.files import write_text
from coordinator.cli.apply.kinds import DAYS, RUNS, SIDES, WAYS, Kind
from coordinator.cli.apply.resources import Resource, read_resources, resource_of

# Words that YAML might take for something else are names, too.
NAMES = st.sampled_from(
    ["Gold", "gold cloud", "no", "18:00", "2012", "null", "~", "db-1", "北京", "a: b", "- x", "[y]"]
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda text: bool(text.strip())
)


def _policies() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "hostVersion": st.just("2012R2"),
            "replicationFrequencySeconds": st.sampled_from([30, 300, 900]),
            "recoveryPoints": st.integers(13, 24),
            "applicationConsistentHours": st.integers(0, 12),
            "authentication": st.sampled_from(["kerberos", "certificate"]),
            "port": st.integers(1, 65535),
            "compression": st.booleans(),
            "deleteReplica": st.booleans(),
            "startTime": st.sampled_from(["", "22:00:00"]),
        },
    ).map(lambda spec: {"recoveryPoints": 13, **spec})


def _place(thing: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"server": NAMES, thing: NAMES})


def _mappings(thing: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"source": _place(thing), "target": _place(thing)})


_RATES = st.integers(8192, 10**10)
_TIMES = st.times().map(lambda time: f"{time:%H:%M}")
_LIMITS = st.fixed_dictionaries(
    {
        "limit": _RATES,
        "timeZone": st.sampled_from(["UTC", "Asia/Shanghai"]),
        "windows": st.lists(
            st.fixed_dictionaries(
                {
                    "days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
                    "start": _TIMES,
                    "end": _TIMES,
                    "limit": _RATES,
                }
            ),
            max_size=3,
        ),
    }
)
_COMMON = {
    "name": TEXTS,
    "run": st.lists(st.sampled_from(RUNS), min_size=1, unique=True),
    "way": st.lists(st.sampled_from(WAYS), min_size=1, unique=True),
    "onFailure": st.sampled_from(["default", "Stop", "Continue"]),
}
_ACTIONS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                **_COMMON,
                "script": st.sampled_from(["a.ps1", "RPScripts\\b.ps1", "/c/d.ps1"]),
                "side": st.sampled_from(SIDES),
                "timeLimitSeconds": st.none() | st.integers(1, 600),
                "sha256": st.sampled_from(["", "AB" * 32]),
            }
        ),
        st.fixed_dictionaries(
            {**_COMMON, "manual": TEXTS, "timeLimitSeconds": st.none() | st.integers(1, 9999)}
        ),
    ),
    max_size=2,
)
_PHASES = st.fixed_dictionaries({}, optional={"before": _ACTIONS, "after": _ACTIONS})


@st.composite
def _plans(draw: st.DrawFn) -> dict[str, Any]:
    machines = draw(st.lists(NAMES, min_size=1, max_size=6, unique_by=lambda name: name.casefold()))
    cut = draw(st.integers(0, len(machines) - 1))
    parts = [part for part in (machines[:cut], machines[cut:]) if part]
    return {
        "primaryServer": draw(NAMES),
        "recoveryServer": draw(NAMES),
        **draw(st.fixed_dictionaries({}, optional={"shutdown": _PHASES, "failover": _PHASES})),
        "groups": [{"machines": part, **draw(_PHASES)} for part in parts],
    }


_ALERTS = st.fixed_dictionaries(
    {
        "sendToOwners": st.booleans(),
        "addresses": st.lists(
            st.sampled_from(["a@x.org", "B@x.org", "c@x.org"]), unique=True, max_size=3
        ),
        "locale": st.sampled_from(["en-US", "zh-CN"]),
    }
)
SPECS: dict[Kind, st.SearchStrategy[dict[str, Any]]] = {
    Kind.POLICY: _policies(),
    Kind.PAIRING: st.fixed_dictionaries(
        {"source": _place("cloud"), "target": _place("cloud"), "policy": NAMES}
    ),
    Kind.NETWORK_MAPPING: _mappings("network"),
    Kind.STORAGE_MAPPING: _mappings("classification"),
    Kind.BANDWIDTH_LIMIT: _LIMITS,
    Kind.RECOVERY_PLAN: _plans(),
    Kind.ALERT_SETTINGS: _ALERTS,
}


@st.composite
def resource(draw: st.DrawFn) -> Resource:
    """A resource of any kind."""
    kind = draw(st.sampled_from(list(Kind)))
    return resource_of(kind, draw(NAMES), draw(SPECS[kind]))


resources = st.lists(resource(), max_size=8, unique_by=lambda one: one.key)


def read(text: str, file: str = "a.yaml") -> list[Resource]:
    """The resources of a text that has nothing wrong."""
    documents, problems = read_documents(file, text)
    assert problems == []
    found, problems = read_resources(documents)
    assert problems == [], [str(problem) for problem in problems]
    return found


def exported(existing: list[Resource]) -> list[Resource]:
    """What is read from the files that an export writes."""
    return read(write_text(existing))


def is_same(wanted: list[Resource], existing: list[Resource]) -> bool:
    return difference(wanted, existing, prune=True).is_empty
