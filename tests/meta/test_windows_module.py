"""The module for Windows and the lab's picture of it must be the same functions."""

from __future__ import annotations

import json
import re

from tests.runner import ROOT

FOLDER = ROOT / "deploy/windows/OpenSiteRecovery"
MANIFEST = FOLDER / "OpenSiteRecovery.psd1"
FUNCTION = re.compile(r"^function ([A-Za-z-]+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
PARAMETER = re.compile(
    r"\[Parameter\(Mandatory = \$true\)\].*?\[([a-z\[\]]+)\] \$(\w+),?$", re.MULTILINE
)
# PowerShell's accelerators of the .NET types in the table.
TYPES = {
    "string": "String",
    "string[]": "String[]",
    "byte[]": "Byte[]",
    "securestring": "SecureString",
    "int": "Int32",
    "guid": "Guid",
}


def module() -> str:
    """The text of all the module's files."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.psm1")))


def functions() -> dict[str, dict[str, str]]:
    """Names of the module's functions with their parameters' types."""
    found = {}
    for name, body in FUNCTION.findall(module()):
        # The function's own parameters come before the block that runs on the host.
        head = body.partition("Invoke-Command")[0]
        found[name] = {n: TYPES[kind] for kind, n in PARAMETER.findall(head)}
    return found


def test_the_lab_knows_exactly_the_functions_of_the_module() -> None:
    facts = json.loads(
        (ROOT / "deploy/lab/powershell/cmdlet_facts.json").read_text(encoding="utf-8")
    )
    known = {
        name: {parameter: fact["type"] for parameter, fact in cmdlet["parameters"].items()}
        for name, cmdlet in facts["cmdlets"].items()
        if cmdlet["module"] == "OpenSiteRecovery"
    }
    assert functions() == known


def test_the_manifest_exports_what_the_module_does() -> None:
    manifest = MANIFEST.read_text(encoding="utf-8")
    for path in FOLDER.glob("*.psm1"):
        assert f"'{path.name}'" in manifest
    assert set(re.findall(r"'([A-Za-z]+-Osr\w+)'", manifest)) == set(functions())


def test_every_file_exports_its_functions_and_no_root_module_hides_them() -> None:
    """A root module with Export-ModuleMember exports what it names, and none of nested modules."""
    manifest = MANIFEST.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(RootModule|ModuleToProcess)\b", manifest, re.MULTILINE)
    nested = re.search(r"NestedModules\s*=\s*@\((.*?)\)", manifest, re.DOTALL)
    assert nested is not None
    assert set(re.findall(r"'([^']+)'", nested[1])) == {path.name for path in FOLDER.glob("*.psm1")}
    for path in FOLDER.glob("*.psm1"):
        text = path.read_text(encoding="utf-8")
        exported = re.search(
            r"^Export-ModuleMember -Function @\((.*?)^\)", text, re.MULTILINE | re.DOTALL
        )
        assert exported is not None, path.name
        written = [name for name, _ in FUNCTION.findall(text)]
        assert re.findall(r"'([^']+)'", exported[1]) == written, path.name


def test_a_plans_script_is_ended_with_what_it_started_and_its_output_is_bounded() -> None:
    script = (FOLDER / "PlanScripts.psm1").read_text(encoding="utf-8")
    [block] = re.findall(
        r"Start-Job .*?-ScriptBlock \{(.*?)^    \}", script, re.MULTILINE | re.DOTALL
    )
    # Everything that a script can write to goes through the one place that counts.
    assert "& $Script $Context *>&1 | ForEach-Object" in block
    assert "64KB" in block
    assert "Stop-OsrProcessTree -ProcessId" in script.partition("Start-Job")[2]
    # In strict mode an object without properties, a number for one, has no names to look through.
    assert ".PSObject.Properties.Name" not in script.partition("Start-Job")[2]


def test_no_parameter_becomes_script_text() -> None:
    text = module()
    assert not re.search(r"Invoke-Expression|\biex\b|\[scriptblock\]::Create|-Command\s+\"", text)


def test_nothing_that_runs_on_another_computer_asks_the_domain() -> None:
    """The session there has no credentials to pass on: LDAP from it would be a second hop."""
    text = module()
    remote = re.findall(
        r"Invoke-Command .*?-ScriptBlock \{(.*?)^    \}", text, re.MULTILINE | re.DOTALL
    )
    assert len(remote) == text.count("Invoke-Command ")
    assert not [block for block in remote if re.search(r"adsi|DirectoryEntry|Get-AD", block)]
