"""Files that only we can read, from their first byte on."""

from __future__ import annotations

import os
from pathlib import Path

from coordinator.cli.failures import CommandError, ExitCode


def write_private(file: Path, text: str) -> None:
    """Writes a file that only we can read; what was there before is there until it is whole."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def make_private_folder(folder: Path) -> None:
    """Makes a folder that only we can enter, unless it is there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def read_private(file: Path) -> str:
    """Reads a file of ours.

    Returns:
        Its text; empty when there is no such file.

    Raises:
        CommandError: Others can read it, or it cannot be read.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            # Windows has no such bits: there the folder of the user's profile keeps others out.
            if os.name == "posix" and mode & 0o077:
                raise CommandError(
                    ExitCode.NOT_CONNECTED,
                    f"{file} can be read by others, and has secrets in it.",
                    possible_causes=["Its rights were changed.", "It was copied."],
                    recommended_action=f"Run: chmod 600 {file}. If others may have read it, have "
                    "the secrets in it replaced.",
                )
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise CommandError(
            ExitCode.NOT_CONNECTED,
            f"{file} cannot be read: {error}.",
            possible_causes=["It belongs to somebody else.", "It is damaged."],
            recommended_action="Remove the file, then add the profiles again: osr profile add.",
        ) from error
