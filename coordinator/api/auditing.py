"""The audit of the API: every change, with the change; every denial, apart from it.

Changes are recorded by `calls.served`, which every route that is no GET goes through; refusals by
the middleware, which every answer goes through.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import RawPostDataException
from django.http.response import HttpResponse, HttpResponseBase
from django.utils import timezone

from coordinator.access.services import Caller, action_of
from coordinator.api.addresses import read_uuid
from coordinator.api.audited_bodies import changed_fields, digest
from coordinator.api.authorization import authorized_vault
from coordinator.api.errors import ACTIVITY_ID, CLIENT_REQUEST_ID, activity_id, correlation_id
from coordinator.api.pages import is_page
from coordinator.api.threads import database_threads
from coordinator.events.audit.services import (
    INSTALLATION,
    ChainOf,
    Entry,
    Outcome,
    Recorder,
    RefusalRecorder,
    Refused,
    chain_of_vault,
    process_recorder,
)
from coordinator.vaults import queries as vaults
from coordinator.vaults.models import Vault

# Of texts that clients choose.
LONGEST = 1024
LONGEST_ID = 64
LONGEST_ACTION = 300
TOKEN_ENDPOINT = "/oauth2/v2.0/token"  # noqa: S105 - an address
READING = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN = "OpenSiteRecovery/tokens/issue/action"  # noqa: S105 - the name of an action
SIGN_IN = "OpenSiteRecovery/people/signIn/action"
_NOBODY_KNOWN = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)


@dataclass(frozen=True)
class RefusedSignIn:
    """Marks a request by which somebody did not get in.

    Attributes:
        claimed: Who it was said to be, when that is nobody's secret.
    """

    claimed: str = ""


def recorder() -> Recorder:
    """Of this process."""
    return process_recorder(settings.CONFIGURATION.state / "ca")


refusals = RefusalRecorder(recorder, database_threads.run)


def record_begun(request: HttpRequest) -> None:
    """Records a change that is about to be made in several transactions, in one before them."""
    recorder().record(_chain_of(request), _with_body(request, _entry(request, Outcome.BEGUN, 0)))


def record_change(request: HttpRequest, answer: object) -> None:
    """Records a change as the last thing its transaction does.

    Args:
        request: The request.
        answer: What its route answers with; that of a refusal is left to `note_refusal`.
    """
    status, job = int(HTTPStatus.OK), ""
    if isinstance(answer, HttpResponseBase):
        status, job = answer.status_code, _job(answer)
    if status >= HTTPStatus.BAD_REQUEST:
        return
    outcome = Outcome.ACCEPTED if status == HTTPStatus.ACCEPTED else Outcome.SUCCEEDED
    entry = replace(_entry(request, outcome, status), job=job)
    recorder().record(_chain_of(request), _with_body(request, entry))


def mark_refused_sign_in(request: HttpRequest, refused: RefusedSignIn) -> None:
    """For answers whose status does not say that somebody did not get in."""
    request.refused_sign_in = refused  # type: ignore[attr-defined] # read by _refused_sign_in


async def note_refusal(request: HttpRequest, response: HttpResponseBase) -> None:
    """Records an answer if it denies something, or refuses a change."""
    await refusals.tell_left_out(timezone.now())
    outcome = _outcome(request, response)
    if outcome is None:
        return
    caller, now = _caller(request), timezone.now()
    refused_sign_in = _refused_sign_in(request)

    def describe() -> Refused:
        entry = replace(_entry(request, outcome, response.status_code), code=_code(response))
        if outcome is not Outcome.DENIED:
            entry = _with_body(request, entry)
        return _chain_of(request), entry

    who = "" if caller is None or refused_sign_in is not None else str(caller.principal_id)
    await refusals.note(who, _address(request), now, describe)


def _outcome(request: HttpRequest, response: HttpResponseBase) -> Outcome | None:
    status = response.status_code
    if status in _NOBODY_KNOWN or _refused_sign_in(request) is not None or _is_foreign(request):
        return Outcome.DENIED
    changes = _caller(request) is not None and request.method not in READING
    # Without its database the coordinator changes nothing, and can write nothing.
    if not changes or status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Outcome.FAILED if fault else Outcome.REFUSED


def record_of(request: HttpRequest, caller: Caller, action: str) -> None:
    """Records what somebody did who is known only after the request: signing in, and out."""
    entry = replace(
        _entry(request, Outcome.SUCCEEDED, int(HTTPStatus.OK)),
        action=action,
        principal_id=str(caller.principal_id),
        principal_type=caller.principal_type,
        principal_name=storable(caller.name, 255),
    )
    recorder().record(INSTALLATION, entry)


def _entry(request: HttpRequest, outcome: Outcome, status: int) -> Entry:
    caller, refused_sign_in = _caller(request), _refused_sign_in(request)
    claimed = refused_sign_in.claimed if refused_sign_in is not None else ""
    path = request.path_info
    return Entry(
        at=timezone.now(),
        action=_action(request)[:LONGEST_ACTION],
        outcome=outcome,
        principal_id=str(caller.principal_id) if caller is not None else "",
        principal_type=caller.principal_type if caller is not None else "",
        principal_name=storable(caller.name, 255) if caller is not None else "",
        address=_address(request),
        resource=storable(path.rpartition("/")[0] if request.method == "POST" else path),
        status=status,
        activity_id=activity_id(request),
        correlation_id=correlation_id(request),
        client_request_id=storable(request.headers.get(CLIENT_REQUEST_ID, ""), LONGEST_ID),
        details={"claimed": storable(claimed, LONGEST_ID)} if claimed else {},
    )


def _action(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None:
        return ""
    if is_page(request.path_info):
        return SIGN_IN
    if request.path_info.endswith(TOKEN_ENDPOINT):
        return TOKEN
    return action_of(str(request.method), match.route)


def _with_body(request: HttpRequest, entry: Entry) -> Entry:
    body = b""
    with suppress(RequestDataTooBig, RawPostDataException, OSError):
        body = bytes(request.body)
    fields = changed_fields(body)
    return replace(entry, changed_fields=fields, body_hash=digest(body, fields))


def storable(text: str, length: int = LONGEST) -> str:
    """A text from outside, as the database can keep it."""
    plain = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def _chain_of(request: HttpRequest) -> ChainOf:
    """The vault's chain for what its own subscription's callers do, else the installation's.

    Strangers have no say in a vault's audit, and its Owners do not read who they are.
    """
    vault = authorized_vault(request) or _new_vault(request)
    if vault is None:
        return INSTALLATION
    return chain_of_vault(vault)


def _new_vault(request: HttpRequest) -> Vault | None:
    """The vault that the request has made."""
    names = _names(request)
    caller = _caller(request)
    if request.method != "PUT" or "vault_name" not in names or caller is None:
        return None
    if _is_foreign(request):
        return None
    group, name = names["resource_group"], names["vault_name"]
    return vaults.find_vault(caller.subscription_id, group, name)


def _is_foreign(request: HttpRequest) -> bool:
    """Whether somebody known asked for what is in another's subscription."""
    caller, names = _caller(request), _names(request)
    if caller is None or "subscription_id" not in names:
        return False
    return caller.subscription_id != read_uuid(names["subscription_id"])


def _names(request: HttpRequest) -> dict[str, str]:
    match = request.resolver_match
    return {} if match is None else {name: str(value) for name, value in match.kwargs.items()}


def _caller(request: HttpRequest) -> Caller | None:
    caller = getattr(request, "caller", None)
    return caller if isinstance(caller, Caller) else None


def _refused_sign_in(request: HttpRequest) -> RefusedSignIn | None:
    refused = getattr(request, "refused_sign_in", None)
    return refused if isinstance(refused, RefusedSignIn) else None


def _address(request: HttpRequest) -> str:
    return storable(str(request.META.get("REMOTE_ADDR", "")), LONGEST_ID)


def _job(answer: HttpResponseBase) -> str:
    """Name of the job that goes on with it; its id is in the answer's headers."""
    given = str(answer.headers.get(ACTIVITY_ID, ""))
    name = given.rpartition("/")[2] if "/replicationJobs/" in given else ""
    return str(read_uuid(name) or "")


def _code(response: HttpResponseBase) -> str:
    """The code of an error's body."""
    if not isinstance(response, HttpResponse):
        return ""
    try:
        error = json.loads(response.content).get("error", "")
    except (ValueError, AttributeError):
        return ""
    return storable(str(error.get("code", "") if isinstance(error, dict) else error), 128)
