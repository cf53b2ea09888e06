"""Running a script of a recovery plan: the few statements of PowerShell that the lab knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.lab.site.clock import SiteClock
from deploy.lab.site.script_library import ScriptLibrary

# A whole line, or `param([string] $Context)`, which makes no difference: there is one argument.
_IGNORED = re.compile(r"^(#.*|param\s*\(.*\)|import-module\s+\S+)?$", re.IGNORECASE)
_STATEMENT = re.compile(r"^(?P<name>[A-Za-z]+(?:-[A-Za-z]+)?)\b\s*(?P<rest>.*)$")
_SLEEP = re.compile(r"^-Seconds\s+(?P<seconds>\d+(?:\.\d+)?)$", re.IGNORECASE)
_ADD_CONTENT = re.compile(
    r"""^-Path\s+(?P<path>"[^"]*"|'[^']*'|\S+)\s+-Value\s+(?P<value>.+)$""", re.IGNORECASE
)


@dataclass
class ScriptRun:
    """How a script ended, and what it wrote."""

    output: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    exit_code: int | None = None
    timed_out: bool = False

    @property
    def succeeded(self) -> bool:
        return not self.failures


class _EndedError(Exception):
    """The script is over before its last line."""


class ScriptInterpreter:
    """Carries out one script, line by line.

    Write-Output, Write-Error, Write-Host, throw, exit, Start-Sleep -Seconds and Add-Content are all
    it knows; texts are quoted or not, and ``$Context`` in them is the script's argument. Anything
    else is a command that is not found, which ends a script as it does in PowerShell.

    Args:
        library: Where Add-Content writes: paths are relative to the share.
        clock: For Start-Sleep, whose seconds pass as fast as the site's.
        context: The argument.
        limit_seconds: When the script is ended by force, in the site's seconds.
    """

    def __init__(
        self, library: ScriptLibrary, clock: SiteClock, context: str, limit_seconds: float
    ) -> None:
        self._library = library
        self._clock = clock
        self._context = context
        self._left_seconds = limit_seconds
        self._limit_seconds = limit_seconds
        self._run = ScriptRun()
        self._statements: dict[str, Callable[[str], None]] = {
            "write-output": lambda rest: self._run.output.append(self._text(rest)),
            "write-error": lambda rest: self._run.failures.append(self._text(rest)),
            "write-host": lambda rest: self._run.failures.append(
                f"The script called Write-Host: {self._text(rest)}"
            ),
            "throw": self._throw,
            "exit": self._exit,
            "add-content": self._add_content,
        }

    async def run(self, text: str) -> ScriptRun:
        """Runs the script to its end, or to its limit."""
        self._run.exit_code = 0
        try:
            for line in text.splitlines():
                await self._line(line.strip())
        except _EndedError:
            return self._run
        return self._run

    async def _line(self, line: str) -> None:
        if _IGNORED.match(line):
            return
        found = _STATEMENT.match(line)
        name = found["name"].lower() if found else line
        if found and name == "start-sleep" and (sleep := _SLEEP.match(found["rest"])):
            await self._sleep(float(sleep["seconds"]))
        elif found and name in self._statements:
            self._statements[name](found["rest"])
        else:
            self._throw(f"The term '{line}' is not recognized as the name of a cmdlet.")

    async def _sleep(self, seconds: float) -> None:
        passing = min(seconds, self._left_seconds)
        await self._clock.pause(self._clock.real_seconds(passing))
        self._left_seconds -= passing
        if passing < seconds:
            self._run.timed_out = True
            self._run.exit_code = None
            self._run.failures.append(
                f"The script was ended by force after {self._limit_seconds:.0f} s."
            )
            raise _EndedError

    def _throw(self, rest: str) -> None:
        self._run.exit_code = None
        self._run.failures.append(self._text(rest))
        raise _EndedError

    def _exit(self, rest: str) -> None:
        self._run.exit_code = int(rest or 0)
        if self._run.exit_code:
            self._run.failures.append(f"The script exited with code {self._run.exit_code}.")
        raise _EndedError

    def _add_content(self, rest: str) -> None:
        found = _ADD_CONTENT.match(rest)
        if found is None:
            self._throw("Add-Content: a parameter is missing.")
            return
        place = self._library.place(self._text(found["path"]))
        with place.open("a", encoding="utf-8") as file:
            file.write(self._text(found["value"]) + "\n")

    def _text(self, written: str) -> str:
        text = written.strip()
        if len(text) > 1 and text[0] == text[-1] == "'":
            return text[1:-1]
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
        return re.sub(r"\$Context\b", lambda _: self._context, text, flags=re.IGNORECASE)
