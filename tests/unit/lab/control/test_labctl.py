"""`labctl` on a site's daemon, without a coordinator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from coordinator.config.waiting import wait_for
from deploy.lab.control.main import app
from deploy.lab.control.stage import StageOptions
from deploy.lab.site.admin import SiteAdmin, SiteAdminError

TOPOLOGY = r"""
[guest]
interval_seconds = 0.02
[[sites]]
name = "S"
fabric_name = "VMM-S"
vmm_server = "vmm.contoso.com"
volumes = [{ path = 'C:\V' }]
file_shares = [{ name = "Share", path = '\\fs\share' }]
[[sites.clouds]]
name = "C"
hosts = ["h1.contoso.com", "h2.contoso.com"]
[[sites.clouds.vms]]
name = "V"
host = "h1.contoso.com"
disks = [{ path = 'C:\V', mib = 3 }]
"""


class Lab:
    """A folder as `labctl up` leaves it, with a daemon for its only site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._topology = folder / "own.toml"
        self._topology.write_text(TOPOLOGY, encoding="utf-8")
        StageOptions(folder, self._topology).save()
        self.admin = SiteAdmin(folder / "sites", "S")
        self._daemon = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "deploy.lab.site", f"--state={self.folder / 'sites'}"]
        daemon = subprocess.Popen(
            [*command, "--site=S", f"--topology={self._topology}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for("the site to boot", self.admin.is_up, 30.0)
        return daemon

    def restart(self) -> None:
        self.close()
        self._daemon = self._spawn()

    def close(self) -> None:
        self._daemon.kill()
        self._daemon.wait()

    def run(self, *arguments: str) -> Any:
        """What a command prints as JSON."""
        result = CliRunner().invoke(app, [*arguments, f"--state={self.folder}", "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def conditions(self) -> set[tuple[str, str, str]]:
        return {(e["kind"], e["target"], e["detail"]) for e in self.run("fault", "list")}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


def test_topologies_are_listed_with_what_they_are() -> None:
    result = CliRunner().invoke(app, ["topologies", "--json"])
    rows = {row["name"]: row["description"] for row in json.loads(result.stdout)}
    assert "clusters" in rows
    assert all(rows.values())


def test_an_unknown_topology_is_refused_before_anything_starts(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["up", "--topology=nowhere", f"--state={tmp_path}"])
    assert result.exit_code != 0
    assert not (tmp_path / "lab.json").exists()


def test_a_machine_goes_through_everything_that_people_do(lab: Lab) -> None:
    made = lab.run("vm", "add", "S", "New", r"--path=C:\V", "--host=h1.contoso.com", "--cloud=C")
    assert made["made"] == 1
    assert lab.run("vm", "power", "New", "pause")["state"] == "Paused"
    assert lab.run("vm", "power", "New", "resume")["state"] == "Running"
    lab.run("vm", "rename", "New", "Newer")
    lab.run("vm", "cloud", "Newer")
    lab.run("vm", "add-disk", "Newer", r"--path=\\fs\share", "--mib=2")
    lab.run("vm", "checkpoint", "Newer", "before")
    lab.run("vm", "protect", "Newer")
    lab.run("vm", "migrate", "Newer", "h2")
    [machine] = [each for each in lab.run("vm", "list") if each["name"] == "Newer"]
    assert (machine["host"], machine["state"], machine["cloud"]) == (
        "h2.contoso.com",
        "Running",
        None,
    )
    with pytest.raises(SiteAdminError, match="must be off"):
        lab.run("vm", "delete", "Newer")
    lab.run("vm", "power", "Newer", "turnoff")
    lab.run("vm", "delete", "Newer")
    assert "Newer" not in [each["name"] for each in lab.run("vm", "list")]


def test_hosts_are_added_crash_boot_and_go(lab: Lab) -> None:
    lab.run("host", "add", "VMM-S", "h3.contoso.com", "C", "--windows-server=2022")
    lab.run("host", "crash", "h3")
    hosts = {each["host"]: each for each in lab.run("host", "list")}
    assert hosts["h3.contoso.com"]["windows_server"] == "2022"
    assert not hosts["h3.contoso.com"]["powered"]
    assert ("host-crash", "h3.contoso.com", "") in lab.conditions()
    lab.run("host", "boot", "h3")
    lab.run("host", "remove", "h3")
    assert len(lab.run("host", "list")) == 2


def test_faults_are_set_listed_outlive_the_daemon_where_they_would_and_are_cleared(
    lab: Lab,
) -> None:
    lab.run("fault", "set", "partition", "h1.contoso.com", "h2.contoso.com", "--one-way")
    lab.run("fault", "set", "slow", "VMM-S", "--bytes-per-second=1000", "--seconds=0.1")
    lab.run("fault", "set", "disk-full", r"C:\V")
    lab.run("fault", "set", "disk-full", "h2")
    lab.run("fault", "set", "share-lost", r"\\fs\share")
    lab.run("fault", "set", "clock", "h1", "--seconds=60")
    lab.run("fault", "set", "host-crash", "h2")
    lasting = {
        ("partition", "h1.contoso.com -> h2.contoso.com", ""),
        ("slow", "S <-> *", "1000 bytes/s, 0.1 s a request"),
        ("disk-full", r"c:\v", ""),
        ("disk-full", "h2.contoso.com", ""),
        ("share-lost", r"\\fs\share", ""),
        ("clock", "h1.contoso.com", "+60 s"),
        ("host-crash", "h2.contoso.com", ""),
    }
    lab.run("fault", "set", "bandwidth", "S", "--bytes-per-second=5")
    lab.run("fault", "set", "vmm-down", "S")
    lab.run("fault", "set", "powershell-down")
    lab.run("fault", "set", "cmdlet", "Get-VM", "--how=stall", "--seconds=1", "--times=3")
    passing = {
        ("bandwidth", "S", "5 bytes/s"),
        ("vmm-down", "vmm.contoso.com", ""),
        ("powershell-down", "vmm.contoso.com", ""),
        ("cmdlet", "Get-VM", "stall, 3 x"),
    }
    assert lab.conditions() == lasting | passing
    lab.restart()
    assert lab.conditions() == lasting
    lab.run("fault", "clear", "clock", "h1")
    assert ("clock", "h1.contoso.com", "+60 s") not in lab.conditions()
    lab.run("fault", "clear", "all")
    assert lab.conditions() == set()
    assert all(each["powered"] for each in lab.run("host", "list"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "earthquake"),
        ("set", "slow", "S"),
        ("set", "partition", "a", "b", "c"),
        ("set", "cmdlet", "Get-VM", "--how=dance"),
        ("clear", "log-full", "V"),
        ("clear", "certificate", "h1"),
        ("set", "clock", "nobody", "--seconds=5"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(lab: Lab, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["fault", *arguments, f"--state={lab.folder}"])
    assert result.exit_code == 2
    assert lab.conditions() == set()
