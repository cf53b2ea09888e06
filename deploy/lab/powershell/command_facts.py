"""What is documented about each cmdlet: parameters, types, parameter sets, accepted values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

FACTS_FILE = Path(__file__).with_name("cmdlet_facts.json")

# Engine commands that every restricted session has under a second name.
COMMAND_ALIASES = {"select": "Select-Object", "measure": "Measure-Object", "gcm": "Get-Command"}

# Modules whose cmdlet classes are Verb + Noun in one namespace (Hyper-V module 2.0), and the rest.
_CLASS_PATTERNS = {
    "Hyper-V": "Microsoft.HyperV.PowerShell.Commands.{verb}{noun}",
    "VirtualMachineManager": (
        "Microsoft.SystemCenter.VirtualMachineManager.Cmdlets.{verb}{noun}Cmdlet"
    ),
    "Microsoft.PowerShell.Utility": "Microsoft.PowerShell.Commands.{verb}{noun}Command",
    "Microsoft.PowerShell.Core": "Microsoft.PowerShell.Commands.{verb}{noun}Command",
}

_ACTIONS = ("SilentlyContinue", "Stop", "Continue", "Inquire", "Ignore", "Suspend")

# about_CommonParameters: every cmdlet and advanced function has them, in every parameter set.
_COMMON_PARAMETERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "Verbose": ("SwitchParameter", "vb", ()),
    "Debug": ("SwitchParameter", "db", ()),
    "ErrorAction": ("ActionPreference", "ea", _ACTIONS),
    "WarningAction": ("ActionPreference", "wa", _ACTIONS),
    "InformationAction": ("ActionPreference", "infa", _ACTIONS),
    "ErrorVariable": ("String", "ev", ()),
    "WarningVariable": ("String", "wv", ()),
    "InformationVariable": ("String", "iv", ()),
    "OutVariable": ("String", "ov", ()),
    "OutBuffer": ("Int32", "ob", ()),
    "PipelineVariable": ("String", "pv", ()),
}
COMMON_PARAMETERS = frozenset(_COMMON_PARAMETERS)


@dataclass(frozen=True)
class ParameterFacts:
    """One parameter. `values` are the names of an enum, or of a ValidateSet when it is a String."""

    name: str
    type_name: str
    aliases: tuple[str, ...] = ()
    position: int | None = None
    values: tuple[str, ...] = ()
    by_value: bool = False
    by_property_name: bool = False
    allow_empty_string: bool = False

    @property
    def is_array(self) -> bool:
        return self.type_name.endswith("[]")

    @property
    def element_type(self) -> str:
        return self.type_name.removesuffix("[]")

    @property
    def takes_pipeline_input(self) -> bool:
        return self.by_value or self.by_property_name


@dataclass(frozen=True)
class ParameterSetFacts:
    name: str
    mandatory: frozenset[str]
    optional: frozenset[str]

    def __contains__(self, parameter: object) -> bool:
        return (
            parameter in self.mandatory
            or parameter in self.optional
            or parameter in COMMON_PARAMETERS
        )


@dataclass(frozen=True)
class CommandFacts:
    """One cmdlet. `confirm_impact` High means that it asks unless told -Confirm:$false."""

    name: str
    module: str
    confirm_impact: str
    parameters: Mapping[str, ParameterFacts]
    sets: Mapping[str, ParameterSetFacts]
    default_set: str | None

    @property
    def supports_should_process(self) -> bool:
        return "WhatIf" in self.parameters

    @cached_property
    def command_class(self) -> str:
        """What stands behind the comma of a fully qualified error id: a class, or a function."""
        verb, noun = self.name.split("-", 1)
        return _CLASS_PATTERNS.get(self.module, "{verb}-{noun}").format(verb=verb, noun=noun)

    @cached_property
    def by_spelling(self) -> Mapping[str, ParameterFacts]:
        """Lower-case name and aliases of every parameter, the common ones too."""
        spellings: dict[str, ParameterFacts] = {}
        for parameter in self.parameters.values():
            for spelling in (parameter.name, *parameter.aliases):
                spellings[spelling.lower()] = parameter
        return spellings


@dataclass(frozen=True)
class CommandTable:
    """All cmdlets of the lab, and the names of those that are documented but not in the lab."""

    commands: Mapping[str, CommandFacts]
    documented_only: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> CommandFacts | None:
        """The cmdlet by name, alias or module-qualified name, in any case."""
        bare = name.rsplit("\\", 1)[-1].lower()
        return self.commands.get(COMMAND_ALIASES.get(bare, bare).lower())

    def module_of_documented(self, name: str) -> str | None:
        """The module that has this cmdlet in Windows, when the lab does not have it."""
        return self.documented_only.get(name.rsplit("\\", 1)[-1].lower())


def _parameter(name: str, raw: dict[str, Any]) -> ParameterFacts:
    return ParameterFacts(
        name=name,
        type_name=raw["type"],
        aliases=tuple(raw.get("aliases", ())),
        position=raw.get("position"),
        values=tuple(raw.get("values", ())),
        by_value=raw.get("by_value", False),
        by_property_name=raw.get("by_property_name", False),
        allow_empty_string=raw.get("allow_empty_string", False),
    )


def _command(name: str, raw: dict[str, Any]) -> CommandFacts:
    parameters = {key: _parameter(key, value) for key, value in raw["parameters"].items()}
    for key, (type_name, alias, values) in _COMMON_PARAMETERS.items():
        parameters[key] = ParameterFacts(key, type_name, (alias,), values=values)
    sets = {
        key: ParameterSetFacts(key, frozenset(value["mandatory"]), frozenset(value["optional"]))
        for key, value in raw["sets"].items()
    }
    default = next((key for key, value in raw["sets"].items() if value.get("default")), None)
    impact = raw.get("confirm_impact", "Medium")
    return CommandFacts(name, raw["module"], impact, parameters, sets, default)


@lru_cache(maxsize=1)
def load_command_table() -> CommandTable:
    """The committed table."""
    raw = json.loads(FACTS_FILE.read_text(encoding="utf-8"))
    commands = {name.lower(): _command(name, value) for name, value in raw["cmdlets"].items()}
    documented = {
        name.lower(): module for module, names in raw["documented_only"].items() for name in names
    }
    return CommandTable(commands, documented)
