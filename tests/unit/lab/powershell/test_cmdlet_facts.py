from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.cmdlets.registry import CMDLETS
from deploy.lab.powershell.command_facts import FACTS_FILE, load_command_table
from deploy.lab.powershell.core_cmdlets import CORE_CMDLETS

DOCUMENTED = Path(__file__).parents[5] / "shared" / "reference" / "cmdlets.json"

# Where the table says more than the documentation: reflected from the module, which demands
# -AsTest in the test sets (without it a snapshot alone would fit two sets).
MANDATORY_BY_REFLECTION = {"AsTest"}


def ours() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(FACTS_FILE.read_text())["cmdlets"]
    return table


def documented() -> dict[str, Any]:
    if not DOCUMENTED.exists():
        pytest.skip("the documentation's facts are not beside this repository")
    raw = json.loads(DOCUMENTED.read_text())
    return {
        name: list(variants.values())[-1]
        for cmdlets in raw.values()
        for name, variants in cmdlets.items()
    }


def test_every_cmdlet_of_the_table_is_carried_out_by_somebody() -> None:
    assert set(ours()) == set(CMDLETS) | set(CORE_CMDLETS)


def test_every_set_names_parameters_that_exist() -> None:
    for command in load_command_table().commands.values():
        for facts in command.sets.values():
            assert facts.mandatory | facts.optional <= set(command.parameters), command.name


def test_each_parameter_is_as_documented() -> None:
    for name, documentation in documented().items():
        mine = ours().get(name)
        if mine is None:
            continue
        assert set(mine["parameters"]) == set(documentation["params"]), name
        for parameter, facts in documentation["params"].items():
            own = mine["parameters"][parameter]
            for key in ("type", "position", "aliases", "values"):
                assert own.get(key) == facts.get(key), (name, parameter, key)
            how = facts.get("pipeline", "")
            assert own.get("by_value", False) == ("ByValue" in how), (name, parameter)
            assert own.get("by_property_name", False) == ("ByPropertyName" in how), name


def test_each_parameter_set_is_as_documented() -> None:
    for name, documentation in documented().items():
        mine = ours().get(name)
        if mine is None:
            continue
        assert set(mine["sets"]) == set(documentation["sets"]), name
        for key, facts in documentation["sets"].items():
            own = mine["sets"][key]
            assert own.get("default", False) == facts.get("default", False), (name, key)
            extra = set(own["mandatory"]) - set(facts["mandatory"])
            assert extra <= MANDATORY_BY_REFLECTION, (name, key)
            everything = set(facts["mandatory"]) | set(facts["optional"])
            assert set(own["mandatory"]) | set(own["optional"]) == everything, (name, key)


def test_every_documented_cmdlet_is_known_by_name() -> None:
    table = load_command_table()
    for name in documented():
        assert table.find(name) is not None or table.module_of_documented(name) is not None, name
