"""`osr login` and profiles: people and programs become known, and stay so for a while."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from coordinator.access.services import disable_person
from coordinator.vaults.models import Vault
from tests.integration.api.people.browser import Browser
from tests.integration.api.people.conftest import Somebody
from tests.integration.api.programs import Program, run_osr

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("UI-2", "AC-2")]


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """Profiles of their own, and none of whoever runs the tests."""
    return {
        "OSR_CONFIG_DIR": str(tmp_path / "config"),
        "OSR_CACHE_DIR": str(tmp_path / "cache"),
        "COLUMNS": "200",
        "OSR_CONNECTION": "",
        "OSR_PROFILE": "",
        "OSR_VAULT": "",
    }


def place_of(program: Program) -> tuple[str, ...]:
    """Where the program's vault is, as options of osr profile add."""
    return (
        "--endpoint",
        program.server.url,
        "--tenant",
        program.tenant_id,
        "--subscription",
        program.subscription_id,
        "--resource-group",
        program.resource_group,
        "--vault",
        program.vault,
        "--ca-file",
        str(program.server.ca_file),
    )


def sign_in_elsewhere(
    environment: Mapping[str, str], browser: Browser, person: Somebody
) -> subprocess.CompletedProcess[str]:
    """Runs osr login --no-browser, opens its page in another place, and brings the address back."""
    command = [sys.executable, "-m", "coordinator.cli.main", "login", "--no-browser"]
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines: list[str] = []
        while not lines or "/authorize?" not in lines[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        page = lines[-1].strip()
        login = browser.open(page)
        back = login.headers["Location"]
        if urlsplit(back).path == "/account/login/":
            follow = parse_qs(urlsplit(back).query)["next"][0]
            signed_in = browser.sign_in(person.name, person.password, follow)
            back = browser.open(signed_in.headers["Location"]).headers["Location"]
        output, errors = process.communicate(f"{back}\n", timeout=120)
    return subprocess.CompletedProcess(command, process.returncode, output, "".join(lines) + errors)


def test_a_person_signs_in_and_stays_so(
    environment: Mapping[str, str],
    browser: Browser,
    ada: Somebody,
    program: Program,
    vault: Vault,
    tmp_path: Path,
) -> None:
    added = run_osr(("profile", "add", "lab", *place_of(program)), environment)
    assert added.returncode == 0, added.stderr
    assert "osr login" in added.stdout
    stranger = run_osr(("vault", "show"), environment)
    assert stranger.returncode == 3
    assert "osr login --profile lab" in stranger.stderr

    signed_in = sign_in_elsewhere(environment, browser, ada)
    assert signed_in.returncode == 0, signed_in.stderr
    tokens = tmp_path / "config" / "tokens.json"
    assert tokens.stat().st_mode & 0o777 == 0o600
    assert run_osr(("vault", "show"), environment).returncode == 0
    # Ada may look, and nothing else.
    denied = run_osr(("vault", "delete", "--yes"), environment)
    assert denied.returncode == 9
    assert "AuthorizationFailed" in denied.stderr

    # What the coordinator does not take any more is replaced without asking her.
    [(key, kept)] = json.loads(tokens.read_text(encoding="utf-8")).items()
    tokens.write_text(json.dumps({key: {**kept, "access": "spoilt"}}), encoding="utf-8")
    assert run_osr(("vault", "show"), environment).returncode == 0
    renewed = json.loads(tokens.read_text(encoding="utf-8"))[key]
    assert renewed["access"] not in {"spoilt", kept["access"]}
    assert renewed["refresh"] != kept["refresh"]

    disable_person("ada")
    over = run_osr(("vault", "show"), environment)
    assert over.returncode == 3
    assert "osr login" in over.stderr
    assert run_osr(("logout",), environment).returncode == 0
    assert json.loads(tokens.read_text(encoding="utf-8")) == {}


BROWSER = """\
#!{python}
import sys
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

query = parse_qs(urlsplit(sys.argv[1]).query)
[back], [state] = query["redirect_uri"], query["state"]
assert b"close this page" in urlopen(f"{{back}}?code=made-up&state={{state}}").read()
"""


def test_the_browser_of_this_machine_brings_the_code(
    environment: Mapping[str, str], program: Program, vault: Vault, tmp_path: Path
) -> None:
    script = tmp_path / "browser"
    script.write_text(BROWSER.format(python=sys.executable), encoding="utf-8")
    script.chmod(0o755)
    run_osr(("profile", "add", "lab", *place_of(program)), environment)
    # Its code is one that the coordinator never gave.
    tried = run_osr(("login",), {**environment, "BROWSER": f"{script} %s"})
    assert tried.returncode == 3
    assert "gives no token" in tried.stderr
    assert "made-up" not in tried.stderr


def test_an_address_of_another_attempt_is_refused(
    environment: Mapping[str, str], program: Program, vault: Vault
) -> None:
    run_osr(("profile", "add", "lab", *place_of(program)), environment)
    wrong = run_osr(
        ("login", "--no-browser"), environment, typed="http://127.0.0.1:1/callback?code=x&state=y\n"
    )
    assert wrong.returncode == 3
    assert "earlier attempt" in wrong.stderr
    nothing = run_osr(("login", "--no-browser"), environment)
    assert nothing.returncode == 3


def test_a_program_s_secret_comes_from_where_nobody_sees_it(
    environment: Mapping[str, str], program: Program, vault: Vault, tmp_path: Path
) -> None:
    mine = (*place_of(program), "--client-id", program.client_id)
    nobody = run_osr(("profile", "add", "lab", *mine), environment)
    assert nobody.returncode == 2
    assert "OSR_CLIENT_SECRET" in nobody.stderr
    secret = {**environment, "OSR_CLIENT_SECRET": program.client_secret}
    assert run_osr(("profile", "add", "lab", *mine), secret).returncode == 0
    again = run_osr(("profile", "add", "lab", *mine), secret)
    assert again.returncode == 4
    assert "--replace" in again.stderr
    assert run_osr(("login",), environment).returncode == 0
    kept = json.loads((tmp_path / "config" / "tokens.json").read_text(encoding="utf-8"))
    assert run_osr(("vault", "show"), environment).returncode == 0
    # One sign-in is enough for both.
    assert json.loads((tmp_path / "config" / "tokens.json").read_text(encoding="utf-8")) == kept

    changed = run_osr(("profile", "secret", "lab", "--secret-stdin"), environment, typed="wrong\n")
    assert changed.returncode == 0, changed.stderr
    refused = run_osr(("vault", "show"), environment)
    assert refused.returncode == 3
    assert "osr profile secret lab" in refused.stderr
    shown = run_osr(("profile", "show", "lab", "--output", "yaml"), environment)
    for said in (shown, refused, again):
        assert "wrong" not in said.stdout
        assert program.client_secret not in said.stdout + said.stderr


def test_several_profiles(
    environment: Mapping[str, str], make_program: Callable[..., Program], vault: Vault
) -> None:
    first, second = make_program(vault="One"), make_program(vault="Two")
    for program in (first, second):
        added = run_osr(
            ("profile", "add", program.vault, "--from", str(program.connection_file)), environment
        )
        assert added.returncode == 0, added.stderr
        assert run_osr(("vault", "create", "--profile", program.vault), environment).returncode == 0
    assert "One" in run_osr(("vault", "show"), environment).stdout
    assert run_osr(("profile", "use", "Two"), environment).returncode == 0
    assert "Two" in run_osr(("vault", "show"), environment).stdout
    chosen = {**environment, "OSR_PROFILE": "One"}
    assert "One" in run_osr(("vault", "show"), chosen).stdout
    listed = json.loads(run_osr(("profile", "list", "--json"), environment).stdout)
    assert [(one["name"], one["current"]) for one in listed] == [("One", False), ("Two", True)]
    assert run_osr(("profile", "remove", "Two"), environment).returncode == 0
    none = run_osr(("vault", "show"), environment)
    assert none.returncode == 3
    missing = run_osr(("vault", "show", "--profile", "Two"), environment)
    assert missing.returncode == 5
    assert "One" in missing.stderr


def test_completion_knows_the_names_of_a_vault(
    environment: Mapping[str, str], program: Program, vault: Vault
) -> None:
    """As a shell asks: by variables, one answer a line."""
    added = ("profile", "add", "lab", "--from", str(program.connection_file))
    assert run_osr(added, environment).returncode == 0
    asking = {
        **environment,
        "_OSR_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": "osr vault show V",
    }
    # The first press may be too early for a busy machine; another process goes on and fills in.
    command = [sys.executable, "-c", "from coordinator.cli.main import app; app(prog_name='osr')"]
    filled = subprocess.run(
        [sys.executable, "-m", "coordinator.cli.name_lists", "vaults"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert filled.returncode == 0, filled.stderr
    answered = subprocess.run(
        command,
        env={**os.environ, **asking},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answered.stderr == ""
    assert [line.split("\t")[0] for line in answered.stdout.splitlines()] == ["Vault-1"]
