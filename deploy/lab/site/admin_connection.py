"""The client's end of a site's admin socket: one request, one answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.lab import unix_sockets
from deploy.lab.site.links import Links

ADMIN_SOCKET = "admin.sock"
POWERSHELL_SOCKET = "powershell.sock"


class SiteDownError(Exception):
    """The site's daemon does not answer: it has no power."""


class SiteAdminError(Exception):
    """The site refused a request; the text says why."""


class AdminConnection:
    """Asks one site. What the daemon must not answer for is read from its folder.

    Args:
        state_dir: The folder of all sites (--state of the daemon).
        site: The site's name.
        timeout_seconds: How long an answer may take.
    """

    def __init__(self, state_dir: Path, site: str, timeout_seconds: float = 30.0) -> None:
        self.folder = state_dir / site
        self.site = site
        self._timeout_seconds = timeout_seconds
        self.links = Links(state_dir)

    @property
    def powershell_socket(self) -> Path:
        return self.folder / POWERSHELL_SOCKET

    def ask(self, do: str, **request: Any) -> Any:
        """Send one request.

        Raises:
            SiteDownError: The site's daemon does not answer.
            SiteAdminError: The site refused.
        """
        try:
            with unix_sockets.connected(
                self.folder / ADMIN_SOCKET, self._timeout_seconds
            ) as connection:
                connection.sendall(json.dumps({"id": 1, "do": do, **request}).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    line = lines.readline()
        except OSError as error:
            raise SiteDownError(f"{self.site} does not answer: {error}") from error
        if not line:
            raise SiteDownError(f"{self.site} broke the connection")
        answer = json.loads(line)
        if "error" in answer:
            raise SiteAdminError(answer["error"])
        return answer["value"]
