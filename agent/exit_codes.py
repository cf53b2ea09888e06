"""What the exit status of `osr-agent` means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status; 2 is a wrong command line."""

    OK = 0
    FAILED = 1
    """A part of the agent died, or something unforeseen happened; the log says what."""
    KEY_UNUSABLE = 3
    """The registration key file is none, or was altered; nothing was sent."""
    REFUSED = 4
    """The coordinator refused the registration."""
    UNREACHABLE = 5
    """The coordinator could not be reached; the same command may succeed later."""
    ALREADY_REGISTERED = 6
    """There is an identity; `--again` replaces it."""
    NOT_REGISTERED = 7
    """There is no identity; register first."""
    DECLINED = 8
    """The vault was not confirmed."""
    POWERSHELL_UNUSABLE = 9
    """PowerShell or VMM did not answer as they should."""
    ALREADY_RUNNING = 10
    """Another agent works with the same state folder."""
    CONFIGURATION_WRONG = 11
    """A setting cannot be used."""
