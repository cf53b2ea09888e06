"""Scripts of recovery plans: how they end, what is kept, and that none runs twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from opensiterecovery.provider.v1 import script_pb2
from opensiterecovery.provider.v1.script_pb2 import (
    CheckPlanScripts,
    PlanScriptRun,
    RunPlanScript,
)

from agent.clock import utc_now
from agent.failures import CommandError
from agent.powershell.pool import PowerShellPool
from agent.verbs.context import VerbContext
from agent.verbs.plan_scripts import MOST_OUTPUT_BYTES, check_plan_scripts, run_plan_script
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.lab_powershell import LabPowerShells
from tests.unit.agent.memory_keys import MemoryKeys

pytestmark = pytest.mark.spec("RP-2")

TOPOLOGY = """
[[sites]]
name = "East"
vmm_server = "vmm.east.test"
[[sites.clouds]]
name = "Gold"
hosts = ["hv1.east.test"]
"""
POLL_SECONDS = 0.01
SUCCEEDED = script_pb2.PLAN_SCRIPT_OUTCOME_SUCCEEDED
FAILED = script_pb2.PLAN_SCRIPT_OUTCOME_FAILED
TIMED_OUT = script_pb2.PLAN_SCRIPT_OUTCOME_TIMED_OUT
UNKNOWN = script_pb2.PLAN_SCRIPT_OUTCOME_UNKNOWN


class Server:
    """A VMM server with a library share, and an agent's PowerShell on it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.powershells = LabPowerShells(site)
        self.pool = PowerShellPool(self.powershells.start)

    @property
    def library(self) -> Path:
        return self.site.folder / "library"

    def put(self, path: str, *lines: str) -> str:
        """Writes a script; gives its hash."""
        file = self.library / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines), encoding="utf-8")
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def begun(self) -> int:
        journal = self.site.folder / "effects.jsonl"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return sum(json.loads(line)["effect"] == "script.begun" for line in lines)

    def context(self, *, resumed: bool = False, library_path: str = "") -> VerbContext:
        command_id = UUID("11111111-1111-4111-8111-111100000000")
        return VerbContext(
            self.pool.for_command(command_id),
            MemoryKeys(),
            utc_now,
            command_id,
            utc_now() + timedelta(seconds=60),
            script_library_path=library_path,
            resumed=resumed,
            poll_interval_seconds=0.02,
        )

    async def run(
        self, path: str, *, context: str = "{}", limit_seconds: int = 600, sha256: str = ""
    ) -> PlanScriptRun:
        request = RunPlanScript(
            path=path,
            context=context,
            script_time_limit=Duration(seconds=limit_seconds),
            sha256=sha256,
        )
        return await run_plan_script(request, self.context())


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    environment = Environment(state_dir=tmp_path, random=random.Random(1))
    site = open_site(parse_topology(TOPOLOGY), "East", environment)
    await boot(site)
    made = Server(site)
    yield made
    await made.pool.close()
    await shut_down(site)


@pytest.mark.spec("RP-4")
async def test_a_script_gets_the_context_and_its_output_is_kept(server: Server) -> None:
    context = json.dumps({"RecoveryPlanName": "Shop", "VmMap": {"a b": {"Name": '"quoted" 上海'}}})
    sha256 = server.put(
        "RPScripts/dns.ps1",
        "param([string] $Context)",
        "# says what it got",
        "Write-Output $Context",
        "Add-Content -Path 'runs.log' -Value 'ran'",
    )
    run = await server.run(r"\RPScripts\DNS.ps1", context=context, sha256=sha256)
    assert (run.outcome, run.output, run.error_output) == (SUCCEEDED, context, "")
    assert (run.exit_code, run.sha256, run.cut) == (0, sha256, False)
    assert (server.library / "runs.log").read_text() == "ran\n"


@pytest.mark.parametrize(
    ("line", "told", "goes_on"),
    [
        ("Write-Error 'no DNS'", "no DNS", True),
        ("Write-Host 'hello'", "Write-Host", True),
        ("throw 'broken'", "broken", False),
        ("exit 3", "code 3", False),
        ("Get-Nothing", "not recognized", False),
    ],
)
async def test_what_makes_a_script_fail(
    server: Server, line: str, told: str, goes_on: bool
) -> None:
    server.put("a.ps1", "Write-Output 'before'", line, "Write-Output 'after'")
    run = await server.run("a.ps1")
    assert run.outcome == FAILED
    assert told in run.error_output
    assert run.output == ("before\r\nafter" if goes_on else "before")


async def test_a_script_is_ended_at_its_limit(server: Server) -> None:
    server.put("slow.ps1", "Write-Output 'began'", "Start-Sleep -Seconds 30", "Write-Output 'end'")
    run = await server.run("slow.ps1", limit_seconds=1)
    assert (run.outcome, run.output) == (TIMED_OUT, "began")
    assert "ended by force after 1 s" in run.error_output


async def test_much_output_is_cut(server: Server) -> None:
    server.put("loud.ps1", "Write-Output $Context")
    run = await server.run("loud.ps1", context=json.dumps({"much": "ä" * MOST_OUTPUT_BYTES}))
    assert run.cut
    assert MOST_OUTPUT_BYTES - 4 < len(run.output.encode()) <= MOST_OUTPUT_BYTES


@pytest.mark.parametrize(
    "path",
    [
        r"..\outside.ps1",
        r"a\..\..\outside.ps1",
        r"C:\outside.ps1",
        r"\\other\share\outside.ps1",
        # With slashes: absolute on Windows, in whatever number; and a folder's name is no script's.
        "/outside.ps1",
        "//other/share/outside.ps1",
        "\\/inside.ps1",
        "inside.ps1\\",
        "inside.ps1:hidden.ps1",
        "a.ps1:stream.ps1",
        "notes.txt",
        r"RPScripts\missing.ps1",
    ],
)
async def test_what_is_not_a_script_of_the_share_is_not_run(server: Server, path: str) -> None:
    (server.site.folder / "outside.ps1").write_text("Write-Output 'never'")
    for inside in ("inside.ps1", "outside.ps1", "other/share/outside.ps1"):
        server.put(inside, "Write-Output 'never'")
    (server.library).mkdir(exist_ok=True)
    (server.library / "notes.txt").write_text("")
    with pytest.raises(CommandError) as refused:
        await server.run(path)
    assert refused.value.failure.code == "PlanScriptNotFound"
    assert server.begun() == 0


async def test_a_changed_script_is_not_run(server: Server) -> None:
    sha256 = server.put("a.ps1", "Write-Output 1")
    server.put("a.ps1", "Write-Output 2")
    with pytest.raises(CommandError) as refused:
        await server.run("a.ps1", sha256=sha256)
    assert refused.value.failure.code == "PlanScriptChanged"
    assert server.begun() == 0


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda file: file.chmod(0o000), "PlanScriptNotReadable"),
        (
            lambda file: (file.parent / "a.ps1:Zone.Identifier").write_text(
                "[ZoneTransfer]\nZoneId=3\n"
            ),
            "PlanScriptNotAllowed",
        ),
    ],
    ids=["denied", "downloaded"],
)
@pytest.mark.spec("RP-6")
async def test_a_script_that_the_agents_account_may_not_run_is_not_run(
    server: Server, spoil: Callable[[Path], object], code: str
) -> None:
    server.put("a.ps1", "Write-Output 1")
    spoil(server.library / "a.ps1")
    found = await check_plan_scripts(CheckPlanScripts(paths=["a.ps1"]), server.context())
    [seen] = found.scripts
    assert (seen.exists, seen.runnable) == (True, False)
    assert seen.readable == (code == "PlanScriptNotAllowed")
    assert seen.problem
    with pytest.raises(CommandError) as refused:
        await server.run("a.ps1")
    assert refused.value.failure.code == code
    assert server.begun() == 0


@pytest.mark.parametrize("limit_seconds", [0, 601])
async def test_a_limit_that_cannot_be_is_refused(server: Server, limit_seconds: int) -> None:
    server.put("a.ps1")
    with pytest.raises(CommandError) as refused:
        await server.run("a.ps1", limit_seconds=limit_seconds)
    assert refused.value.failure.code == "PlanScriptRequestWrong"


@pytest.mark.spec("JB-3")
async def test_a_script_that_an_earlier_agent_began_is_not_run_again(server: Server) -> None:
    server.put("a.ps1", "Write-Output 1")
    request = RunPlanScript(path="a.ps1", script_time_limit=Duration(seconds=5))
    run = await run_plan_script(request, server.context(resumed=True))
    assert run.outcome == UNKNOWN
    assert "restarted" in run.error_output
    assert server.begun() == 0


@pytest.mark.spec("JB-3")
async def test_a_script_under_which_powershell_ends_has_an_unknown_outcome(server: Server) -> None:
    server.put("a.ps1", "Start-Sleep -Seconds 1")
    running = asyncio.create_task(server.run("a.ps1"))
    async with asyncio.timeout(20):
        while server.begun() == 0:  # noqa: ASYNC110 - a file of the lab tells nobody
            await asyncio.sleep(POLL_SECONDS)
    server.powershells.kill()
    run = await running
    assert run.outcome == UNKNOWN
    assert server.begun() == 1


@pytest.mark.spec("RP-6")
async def test_looking_at_scripts_runs_none(server: Server) -> None:
    sha256 = server.put("RPScripts/a.ps1", "throw 'x'")
    request = CheckPlanScripts(paths=[r"\rpscripts\A.ps1", "b.ps1", r"..\c.ps1"])
    found = await check_plan_scripts(request, server.context())
    assert found.library == r"\\vmm.east.test\MSCVMMLibrary"
    assert [(each.exists, each.readable, each.runnable, each.sha256) for each in found.scripts] == [
        (True, True, True, sha256),
        (False, False, False, ""),
        (False, False, False, ""),
    ]
    assert "leads out" in found.scripts[2].problem
    elsewhere = server.context(library_path=r"\\files\Scripts")
    found = await check_plan_scripts(CheckPlanScripts(paths=["a.ps1"]), elsewhere)
    assert "cannot be reached" in found.scripts[0].problem
    assert server.begun() == 0
