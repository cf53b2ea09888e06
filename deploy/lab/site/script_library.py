"""The library share of a site's VMM server: a folder of real files, and paths below it."""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lab.site.errors import HyperVError

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore

SHARE = "MSCVMMLibrary"
FOLDER = "library"
# A slash at the beginning makes a path absolute on Windows; one backslash is what people write.
_NOT_RELATIVE = re.compile(r'^[A-Za-z]:|^\\\\|^\\?/|[<>:"|?*\x00-\x1f]')
_FOREIGN = re.compile(r"^ZoneId=[34]", re.MULTILINE)
_RUNTIME_ERROR = "System.Management.Automation.RuntimeException"


@dataclass(frozen=True)
class FoundScript:
    """What looking at a script tells.

    Attributes:
        file: The file; None when there is none, or the path cannot be.
        sha256: Of the file, hexadecimal; empty when it cannot be read.
        problem: Why it cannot be run; empty when it can.
    """

    file: Path | None
    sha256: str = ""
    problem: str = ""


class ScriptLibrary:
    """The share of one site; made when it is first looked at.

    Args:
        site: Whose VMM server shares it.
        library_path: The root that the caller believes in; empty for VMM's own share.
    """

    def __init__(self, site: SiteCore, library_path: str = "") -> None:
        server = site.vmm.server.fqdn
        self.root = (library_path or rf"\\{server}\{SHARE}").rstrip("\\")
        self.folder = site.folder / FOLDER
        self.folder.mkdir(exist_ok=True)
        names = {server.lower(), server.partition(".")[0].lower(), "localhost"}
        parts = self.root.lower().strip("\\").split("\\")
        self.reachable = (
            self.root.startswith("\\\\")
            and len(parts) == 2
            and parts[0] in names
            and parts[1] == SHARE.lower()
        )

    def relative_parts(self, path: str) -> list[str]:
        """The folders and the file below the root, without dots.

        Raises:
            HyperVError: The path leads out of the share, or is no script's.
        """
        if _NOT_RELATIVE.search(path):
            raise _throw(f"The path '{path}' is not relative to the library share.")
        parts: list[str] = []
        for part in re.split(r"[\\/]+", path.strip("\\/")):
            if part == "..":
                if not parts:
                    raise _throw(f"The path '{path}' leads out of the library share.")
                parts.pop()
            elif part not in {"", "."}:
                parts.append(part)
        return parts

    def look(self, path: str) -> FoundScript:
        """Looks at a script; never raises."""
        try:
            parts = self.relative_parts(path)
            is_file = bool(parts) and not path.endswith(("\\", "/"))
            if not is_file or not parts[-1].lower().endswith(".ps1"):
                raise _throw(f"'{path}' is no PowerShell script (.ps1).")
        except HyperVError as error:
            return FoundScript(None, problem=error.message)
        if not self.reachable:
            return FoundScript(None, problem=f"The library share '{self.root}' cannot be reached.")
        file, full = self._file(parts), "\\".join((self.root, *parts))
        if file is None:
            return FoundScript(None, problem=f"There is no file '{full}'.")
        if not file.stat().st_mode & stat.S_IRUSR:
            return FoundScript(file, problem=f"Access to the path '{full}' is denied.")
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        return FoundScript(file, sha256, _obstacle(file, full))

    def place(self, path: str) -> Path:
        """A file to write to below the share, with its folders made."""
        place = self.folder.joinpath(*self.relative_parts(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _file(self, parts: list[str]) -> Path | None:
        """Names are the same in any case, as on NTFS."""
        place = self.folder
        for part in parts:
            found = [each for each in place.iterdir() if each.name.lower() == part.lower()]
            if not found or found[0].is_symlink():
                return None
            place = found[0]
            if part != parts[-1] and not place.is_dir():
                return None
        return place if place.is_file() else None


def _obstacle(file: Path, full: str) -> str:
    """What the execution policy has against a script; empty when nothing.

    The lab's servers have Windows Server's own, RemoteSigned, and no script of the lab is signed.
    What a download writes to the stream Zone.Identifier of a file lies in a file beside it here.
    """
    mark = file.with_name(f"{file.name}:Zone.Identifier")
    if not mark.exists() or not _FOREIGN.search(mark.read_text(encoding="utf-8")):
        return ""
    return (
        f"The execution policy of this server, RemoteSigned, wants '{full}' to be signed: it comes"
        " from elsewhere, or every script must be. Its signature: NotSigned."
    )


def _throw(message: str) -> HyperVError:
    """What `throw` of the module's functions becomes."""
    return HyperVError("OperationStopped", "OperationStopped", message, _RUNTIME_ERROR)
