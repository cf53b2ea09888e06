"""Settings of the agent: from flags, the environment, or agent.toml in the state folder."""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

DEFAULT_POWERSHELL: Final = ("powershell.exe", "-NoLogo", "-NoProfile", "-s")

POWERSHELL_VARIABLE: Final = "OSR_AGENT_POWERSHELL"
SCRIPT_LIBRARY_VARIABLE: Final = "OSR_AGENT_SCRIPT_LIBRARY"
STATE_VARIABLE: Final = "OSR_AGENT_STATE"


class ConfigurationError(Exception):
    """A setting cannot be used."""


def powershell_command(
    flag: str | None, environment: Mapping[str, str], configuration: Path
) -> Sequence[str]:
    """The program that speaks PSRP over its standard streams, with its arguments.

    Args:
        flag: What `--powershell` said; wins.
        environment: May hold OSR_AGENT_POWERSHELL; comes next.
        configuration: A TOML file that may hold `powershell`, a command line or a list.

    Raises:
        ConfigurationError: It is empty, or the file is not TOML.
    """
    if flag is not None:
        return _split("--powershell", flag)
    if POWERSHELL_VARIABLE in environment:
        return _split(POWERSHELL_VARIABLE, environment[POWERSHELL_VARIABLE])
    configured = _configured(configuration, "powershell")
    if configured is None:
        return DEFAULT_POWERSHELL
    if isinstance(configured, str):
        return _split(str(configuration), configured)
    if isinstance(configured, list) and configured and all(isinstance(p, str) for p in configured):
        return tuple(configured)
    raise ConfigurationError(f"{configuration}: powershell is neither a command line nor a list")


def script_library_path(environment: Mapping[str, str], configuration: Path) -> str:
    """Root of the share that the scripts of recovery plans are in.

    Args:
        environment: May hold OSR_AGENT_SCRIPT_LIBRARY; wins.
        configuration: A TOML file that may hold `script_library_path`.

    Returns:
        The path; empty when nothing is said: then it is what Site Recovery's registry value
        ScriptLibraryPath says, or else VMM's own share, MSCVMMLibrary.

    Raises:
        ConfigurationError: It is no text, or the file is not TOML.
    """
    if SCRIPT_LIBRARY_VARIABLE in environment:
        return environment[SCRIPT_LIBRARY_VARIABLE].strip()
    configured = _configured(configuration, "script_library_path")
    if configured is None:
        return ""
    if isinstance(configured, str):
        return configured.strip()
    raise ConfigurationError(f"{configuration}: script_library_path is no path")


def _split(source: str, line: str) -> Sequence[str]:
    try:
        # Backslashes are part of Windows paths.
        parts = shlex.split(line, posix=os.name != "nt")
    except ValueError as error:
        raise ConfigurationError(f"{source}: {error}") from error
    if not parts:
        raise ConfigurationError(f"{source}: the command line is empty")
    return tuple(part.strip('"') for part in parts) if os.name == "nt" else tuple(parts)


def _configured(configuration: Path, setting: str) -> object:
    try:
        return tomllib.loads(configuration.read_text(encoding="utf-8")).get(setting)
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{configuration}: {error}") from error
