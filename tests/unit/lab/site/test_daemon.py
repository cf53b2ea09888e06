from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from contextlib import aclosing
from pathlib import Path

import pytest

from deploy.lab.invocation import Invocation, InvocationResult
from deploy.lab.powershell.backends import SocketBackend
from deploy.lab.site.admin import SiteAdmin, SiteAdminError, SiteDownError
from deploy.lab.site.daemon import serve
from deploy.lab.site.environment import Environment
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.faults import Fault, FaultKind
from deploy.lab.site.power import open_site
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology
from deploy.lab.wire import decode_result, encode_invocation

TOPOLOGY = r"""
[guest]
interval_seconds = 0.02
[[sites]]
name = "S"
fabric_name = "VMM-S"
vmm_server = "vmm.contoso.com"
volumes = [{ path = 'C:\V' }]
[[sites.clouds]]
name = "C"
hosts = ["h1.contoso.com"]
[[sites.clouds.vms]]
name = "V"
host = "h1.contoso.com"
disks = [{ path = 'C:\V', mib = 3 }]
"""

TIMEOUT_SECONDS = 20.0


async def eventually_up(admin: SiteAdmin) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT_SECONDS
    while not await asyncio.to_thread(admin.is_up):
        assert loop.time() < deadline, "the daemon never came up"


async def spawn(state: Path, topology: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.lab.site",
        f"--state={state}",
        "--site=S",
        "--speed=10",
        f"--topology={topology}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(os.environ),
    )


async def test_a_killed_daemon_comes_back_with_everything_that_was_written(
    tmp_path: Path,
) -> None:
    topology = tmp_path / "t.toml"
    topology.write_text(TOPOLOGY, encoding="utf-8")
    admin = SiteAdmin(tmp_path, "S")
    process = await spawn(tmp_path, topology)
    await eventually_up(admin)
    written = await asyncio.to_thread(admin.write, "V", 5)
    process.kill()
    await process.wait()
    with pytest.raises(SiteDownError):
        admin.status()
    process = await spawn(tmp_path, topology)
    await eventually_up(admin)
    ledger = await asyncio.to_thread(admin.ledger, "v")
    assert ledger.boot_last_found is not None
    assert ledger.boot_last_found >= written
    assert ledger.gaps == 0
    digest = await asyncio.to_thread(admin.digest, "V")
    assert digest.digests != digest.boot_digests
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert not (tmp_path / "S" / "running").exists()
    started = [each for each in admin.effects() if each.effect == "vm.started"]
    assert len(started) == 2


class Served:
    """A daemon in this process whose cmdlets are the test's own."""

    def __init__(self, state: Path) -> None:
        self.site = open_site(parse_topology(TOPOLOGY), "S", Environment(state_dir=state))
        self.admin = SiteAdmin(state, "S")
        self.calls: list[str] = []
        self.stop = asyncio.Event()

    async def dispatch(self, site: Site, call: Invocation) -> InvocationResult:
        assert site is self.site
        self.calls.append(call.cmdlet)
        if call.cmdlet == "Get-Broken":
            raise HyperVError("InvalidState", "InvalidOperation", "no", target="x")
        return InvocationResult(output=(call.cmdlet,))

    async def ask(self, *cmdlets: str) -> list[InvocationResult]:
        """Send calls at once on one connection; missing answers are left out."""
        reader, writer = await asyncio.open_unix_connection(self.admin.powershell_socket)
        for number, cmdlet in enumerate(cmdlets):
            request = {"id": number, "invocation": encode_invocation(Invocation(cmdlet, {}))}
            writer.write(json.dumps(request).encode() + b"\n")
        answers: dict[int, InvocationResult] = {}
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(answers) < len(cmdlets) and (line := await reader.readline()):
                answer = json.loads(line)
                answers[answer["id"]] = decode_result(answer["result"])
        writer.close()
        return [answers[number] for number in sorted(answers)]


async def test_cmdlets_are_served_and_faults_act_on_them(tmp_path: Path) -> None:
    served = Served(tmp_path)
    admin = served.admin
    daemon = asyncio.create_task(serve(served.site, served.dispatch, served.stop))
    await eventually_up(admin)

    (first, second) = await served.ask("Get-VM", "Get-Broken")
    assert first.output == ("Get-VM",)
    assert (second.errors[0].error_id, second.errors[0].category) == (
        "InvalidState",
        "InvalidOperation",
    )

    served.calls.clear()
    await asyncio.to_thread(
        admin.add_fault, Fault(kind=FaultKind.FAIL, cmdlet="get-vm", message="told so")
    )
    (failed, fine) = [*await served.ask("Get-VM"), *await served.ask("Get-VM")]
    assert failed.errors[0].message == "told so"
    assert fine.output == ("Get-VM",)
    assert served.calls == ["Get-VM"]

    served.calls.clear()
    await asyncio.to_thread(admin.add_fault, Fault(kind=FaultKind.LIE, cmdlet="*"))
    assert (await served.ask("Stop-VM"))[0] == InvocationResult()
    assert served.calls == []

    await asyncio.to_thread(admin.add_fault, Fault(kind=FaultKind.VANISH, cmdlet="Start-VM"))
    assert await served.ask("Start-VM") == []
    assert served.calls == ["Start-VM"]

    await asyncio.to_thread(admin.add_fault, Fault(kind=FaultKind.HANG, cmdlet="Start-VM"))
    hanging = asyncio.create_task(served.ask("Start-VM"))
    await served.ask("Get-VM")
    assert not hanging.done()
    await asyncio.to_thread(admin.clear_faults)
    assert (await hanging)[0].output == ("Start-VM",)

    served.stop.set()
    await daemon
    assert not admin.is_up()


async def test_a_folder_whose_sockets_have_long_paths_is_served_all_the_same(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("long-" * 30)
    served = Served(folder)
    admin = served.admin
    daemon = asyncio.create_task(serve(served.site, served.dispatch, served.stop))
    await eventually_up(admin)
    assert len(str(admin.powershell_socket)) > 150
    assert admin.powershell_socket.stat().st_mode & 0o777 == 0o600
    async with aclosing(SocketBackend(admin.powershell_socket)) as backend:
        assert (await backend.invoke(Invocation("Get-VM", {}))).output == ("Get-VM",)
        served.stop.set()
        await daemon
        assert not admin.is_up()
        gone = await backend.invoke(Invocation("Get-VM", {}))
        assert gone.errors[0].error_id == "ConnectionFailed"


async def test_the_admin_socket_tells_and_refuses(tmp_path: Path) -> None:
    served = Served(tmp_path)
    admin = served.admin
    daemon = asyncio.create_task(serve(served.site, served.dispatch, served.stop))
    await eventually_up(admin)
    status = await asyncio.to_thread(admin.status)
    assert (status.fabric_name, status.machines, status.running) == ("VMM-S", 1, 1)
    (machine,) = await asyncio.to_thread(admin.machines)
    assert (machine.name, machine.cloud, machine.replication_mode) == ("V", "C", "None")
    with pytest.raises(SiteAdminError, match="no virtual machine"):
        await asyncio.to_thread(admin.ledger, "nobody")
    with pytest.raises(SiteAdminError, match="positive"):
        await asyncio.to_thread(admin.limit_bandwidth, 0)
    await asyncio.to_thread(admin.limit_bandwidth, 1000)
    await asyncio.to_thread(admin.fill_disk, "h1.contoso.com")
    admin.cut()
    status = await asyncio.to_thread(admin.status)
    assert status.bandwidth_bytes_per_second == 1000
    assert status.full_hosts == ["h1.contoso.com"]
    assert status.cut
    admin.heal()
    served.stop.set()
    await daemon


def test_bad_arguments_end_with_status_two(tmp_path: Path) -> None:

    done = subprocess.run(
        [sys.executable, "-m", "deploy.lab.site", f"--state={tmp_path}", "--site=Nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no site 'Nowhere'" in done.stderr
