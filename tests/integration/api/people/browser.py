"""What a person's browser does: cookies, forms, redirects."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import requests

from tests.integration.api.programs import API_VERSION, Server

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Browser:
    """One person's browser; follows no redirect by itself."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.session = requests.Session()
        # Certificates of tests; the environment may name others.
        self.session.trust_env = False

    def open(self, address: str, **options: Any) -> requests.Response:
        return self.send("GET", address, **options)

    def submit(self, address: str, form: dict[str, str], page: str = "") -> requests.Response:
        """Fills in a form of a page, the one at the same address unless it is another's."""
        found = TOKEN.search(self.open(page or address).text)
        assert found is not None, "the page has no form"
        return self.send("POST", address, data={"csrfmiddlewaretoken": found[1], **form})

    def sign_in(self, name: str, password: str, next_page: str = "") -> requests.Response:
        form = {"login": name, "password": password, **({"next": next_page} if next_page else {})}
        return self.submit("/account/login/", form)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request to the API, as a script in a page makes it."""
        return self.send(method, path, params=API_VERSION, **options)

    def csrf_token(self) -> str:
        """What our pages have in them, for the scripts of theirs."""
        found = TOKEN.search(self.open("/account/").text)
        assert found is not None
        return found[1]

    def send(self, method: str, address: str, **options: Any) -> requests.Response:
        """A request with the browser's cookies, from a page of ours."""
        headers = {"Referer": f"{self._server.url}/", **options.pop("headers", {})}
        return self.session.request(
            method,
            urljoin(self._server.url, address),
            headers=headers,
            verify=str(self._server.ca_file),
            allow_redirects=False,
            timeout=60,
            **options,
        )

    def close(self) -> None:
        self.session.close()
