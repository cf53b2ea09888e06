"""Several programs kept running on one machine, by supervisord."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import supervisor.xmlrpc

from coordinator.config.waiting import wait_for

# Enough to ride out a database that comes back slowly: a program that ends at once is started
# again after 1, 2, 3, ... seconds.
START_RETRIES = 1_000_000
# States of supervisord in which a program is not running and stays so.
STOPPED = frozenset({"STOPPED", "FATAL"})


@dataclass(frozen=True)
class Program:
    """A program to keep running.

    Attributes:
        name: Letters, digits and "-".
        command: Arguments; no secret may be among them.
        environment: Added to ours.
        priority: Lower starts earlier and stops later.
        once: Runs to its end and is not started again.
        autostart: Starts with the group; else when start_program is called.
        stop_seconds: Time between SIGTERM and SIGKILL.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 100
    once: bool = False
    autostart: bool = True
    stop_seconds: int = 10


@dataclass(frozen=True)
class ProgramStatus:
    """What supervisord says of a program: its state's name ("RUNNING", "EXITED", ...) and pid."""

    name: str
    state: str
    pid: int
    exit_status: int
    log: Path


def _quote(text: str) -> str:
    """A word of a supervisord command line: shlex rules after % expansion."""
    escaped = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _program_section(program: Program, logs: Path) -> str:
    environment = ",".join(f"{key}={_quote(value)}" for key, value in program.environment.items())
    lines = [
        f"[program:{program.name}]",
        "command=" + " ".join(_quote(word) for word in program.command),
        f"environment={environment}" if environment else "",
        f"priority={program.priority}",
        f"autostart={'true' if program.autostart else 'false'}",
        f"autorestart={'false' if program.once else 'true'}",
        f"startsecs={0 if program.once else 1}",
        f"startretries={START_RETRIES}",
        f"stopwaitsecs={program.stop_seconds}",
        "stopasgroup=true",
        "killasgroup=true",
        f"stdout_logfile={logs / program.name}.log",
        "stdout_logfile_maxbytes=20MB",
        "stdout_logfile_backups=2",
        "redirect_stderr=true",
        "",
    ]
    return "\n".join(line for line in lines if line) + "\n"


class ProcessGroup:
    """The programs of one folder: their configuration, socket and logs live there."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self._socket = sockets / "supervisor.sock"
        self._configuration = folder / "supervisord.conf"

    def configure(self, programs: Sequence[Program]) -> None:
        """Writes the configuration."""
        self.logs.mkdir(parents=True, exist_ok=True)
        head = "\n".join(
            [
                "[supervisord]",
                f"logfile={self.logs / 'supervisord.log'}",
                f"pidfile={self.folder / 'supervisord.pid'}",
                f"childlogdir={self.logs}",
                f"directory={self.folder}",
                "silent=true",
                "[unix_http_server]",
                f"file={self._socket}",
                "chmod=0700",
                "[rpcinterface:supervisor]",
                "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
                "",
            ]
        )
        text = head + "".join(_program_section(program, self.logs) for program in programs)
        descriptor = os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)

    def command(self, *, foreground: bool) -> list[str]:
        """Command line of supervisord itself."""
        words = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration)]
        return [*words, "--nodaemon"] if foreground else words

    def start(self) -> None:
        """Starts supervisord in the background and waits until it answers."""
        subprocess.run(self.command(foreground=False), check=True, stdin=subprocess.DEVNULL)
        wait_for("supervisord", self.running, limit_seconds=20)

    def running(self) -> bool:
        try:
            self._call("getState")
        except OSError:
            return False
        return True

    def status(self) -> list[ProgramStatus]:
        """Every program; empty when supervisord does not run."""
        try:
            rows = cast("list[dict[str, Any]]", self._call("getAllProcessInfo"))
        except OSError:
            return []
        return [
            ProgramStatus(
                name=str(row["name"]),
                state=str(row["statename"]),
                pid=int(row["pid"]),
                exit_status=int(row["exitstatus"]),
                log=Path(str(row["stdout_logfile"])),
            )
            for row in rows
        ]

    def start_program(self, name: str) -> None:
        self._call("startProcess", name)

    def kill_program(self, name: str) -> None:
        """Ends a program as a loss of power would, and leaves it dead.

        It is frozen before supervisord is told to stop it, so that the SIGTERM of the latter finds
        nobody who could tidy up. One that has just died, and is being started again, is caught.
        """

        def dead() -> bool:
            [row] = [row for row in self.status() if row.name == name]
            if row.state in STOPPED:
                return True
            with suppress(ProcessLookupError, xmlrpc.client.Fault):
                if row.pid:
                    os.killpg(row.pid, signal.SIGSTOP)
                self._call("stopProcess", name, False)
            with suppress(ProcessLookupError):
                if row.pid:
                    os.killpg(row.pid, signal.SIGKILL)
            return False

        wait_for(f"{name} to end", dead, limit_seconds=20)

    def freeze_program(self, name: str) -> None:
        """Has a program stand still, as it is, until it is told to go on."""
        self._signal(name, signal.SIGSTOP)

    def resume_program(self, name: str) -> None:
        """Has a program go on that stands still. Idempotent."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = next((row.pid for row in self.status() if row.name == name), 0)
        if pid:
            os.killpg(pid, number)

    def stop(self, limit_seconds: float = 60) -> None:
        """Stops every program and supervisord, and waits until none is left."""
        pids = [row.pid for row in self.status() if row.pid]
        try:
            pids.append(int(self._call("getPID")))
            self._call("shutdown")
        except OSError:
            return
        wait_for("programs to end", lambda: not any(map(_alive, pids)), limit_seconds)

    def _call(self, method: str, *arguments: object) -> Any:
        """One call of supervisord's XML-RPC interface.

        Raises:
            OSError: It does not run.
        """
        transport = supervisor.xmlrpc.SupervisorTransport(None, None, f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
