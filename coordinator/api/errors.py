"""Error answers as Azure Resource Manager and ASR write them."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, JsonResponse

from coordinator.api.shapes.errors import ErrorBody
from coordinator.failures import Failure, RefusedError, refuse

CLIENT_REQUEST_ID = "x-ms-client-request-id"
ACTIVITY_ID = "x-ms-request-id"
CORRELATION_ID = "x-ms-correlation-request-id"


class NotFoundError(RefusedError):
    """A resource that is not there, or that the caller may not know of."""

    def __init__(self, what: str) -> None:
        failure = Failure(
            "NotFound",
            f"The resource '{what}' was not found.",
            ("It was deleted.", "The name is misspelt."),
            "List the resources of that kind and use a name of the list.",
        )
        super().__init__(failure, status=HTTPStatus.NOT_FOUND)


def vault_not_found(vault_name: str, resource_group: str) -> RefusedError:
    """ARM's own refusal: the vault is not there, or not the caller's."""
    return refuse(
        "ResourceNotFound",
        f"The Resource 'Microsoft.RecoveryServices/vaults/{vault_name}' under resource group"
        f" '{resource_group}' was not found.",
        causes=[
            "The vault's name, resource group or subscription is misspelt.",
            "The vault belongs to a subscription the caller has no rights in.",
        ],
        action="List the vaults of the subscription and use one of them.",
        status=HTTPStatus.NOT_FOUND,
    )


def subscription_not_found(subscription_id: str) -> RefusedError:
    """ARM's own refusal: the subscription is not there, or not the caller's."""
    return refuse(
        "SubscriptionNotFound",
        f"The subscription '{subscription_id}' could not be found.",
        causes=["The id is misspelt.", "The caller has no rights in the subscription."],
        action="Use the subscription the caller was made for.",
        status=HTTPStatus.NOT_FOUND,
    )


def not_authorized(name: str, principal_id: str, action: str, scope: str) -> RefusedError:
    """ARM's own refusal of somebody who has no role for it here."""
    return refuse(
        "AuthorizationFailed",
        f"The client '{name}' with object id '{principal_id}' does not have authorization to"
        f" perform action '{action}' over scope '{scope}' or the scope is invalid.",
        causes=["None of the caller's roles in this place allows the action."],
        action="Ask an Owner for a role that allows it; it counts from the next request on.",
        status=HTTPStatus.FORBIDDEN,
    )


def csrf_failed() -> RefusedError:
    """The refusal of a change that a browser asks for without the token of our pages."""
    return refuse(
        "CsrfTokenInvalid",
        "The request comes from a browser's session, without this session's CSRF token.",
        causes=["Another site's page made the browser ask.", "The page is from before signing in."],
        action="Load the page again; programs sign in with a token instead of a session.",
        status=HTTPStatus.FORBIDDEN,
    )


def refusal_response(request: HttpRequest, refusal: RefusedError) -> JsonResponse:
    """The answer to a request that was refused."""
    return error_response(request, refusal.status, refusal.failure, field=refusal.field)


def error_response(
    request: HttpRequest, status: int, failure: Failure, *, field: str | None = None
) -> JsonResponse:
    """An error body: {"error": {"code", "message", "details": [...]}}.

    Args:
        request: Its ids go into the details.
        status: HTTP status. No answer here carries Retry-After: with it, clients would repeat
            what was refused.
        failure: The four things to say.
        field: Name of the request's field at fault.
    """
    response = JsonResponse({"error": error_body(request, status, failure, field)}, status=status)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def error_body(
    request: HttpRequest, status: int, failure: Failure, field: str | None = None
) -> ErrorBody:
    """ARM's error, as it is in an answer's body or beside one of several objects."""
    code = "ArmResourceDoesNotExist" if isinstance_not_found(failure, status) else failure.code
    error: ErrorBody = {
        "code": failure.code,
        "message": failure.message,
        "details": [
            {
                "code": code,
                "message": failure.message,
                "possibleCauses": "\n".join(failure.possible_causes),
                "recommendedAction": failure.recommended_action,
                "clientRequestId": request.headers.get(CLIENT_REQUEST_ID, ""),
                "activityId": activity_id(request),
            }
        ],
    }
    if field is not None:
        error["target"] = field
    return error


def isinstance_not_found(failure: Failure, status: int) -> bool:
    """ASR says "NotFound" outside and "ArmResourceDoesNotExist" inside."""
    return status == HTTPStatus.NOT_FOUND and failure.code == "NotFound"


def activity_id(request: HttpRequest) -> str:
    """Id of this one request, as the middleware gave it."""
    return str(getattr(request, "activity_id", ""))


def correlation_id(request: HttpRequest) -> str:
    """What logs of all that the request causes are found by, as the middleware gave it."""
    return str(getattr(request, "correlation_id", ""))


def failure_of_status(status: int, path: str) -> Failure:
    """What to say about an answer that some layer gave without words for programs."""
    match status:
        case HTTPStatus.NOT_FOUND:
            return Failure(
                "InvalidResourceType",
                f"There is no resource or operation at {path}.",
                (
                    "The address is misspelt.",
                    "The operation belongs to a scenario this service does not have.",
                ),
                "Compare the address with the documentation of the API.",
            )
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return Failure(
                "MethodNotAllowed",
                f"The resource at {path} does not support this method.",
                ("The operation does not apply to Hyper-V sites with VMM.",),
                "Compare the method with the documentation of the API.",
            )
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return Failure(
                "InternalServerError",
                "The request could not be carried out because of a fault in the service.",
                ("A defect of the service.",),
                "Look for the activity id in the service's log; try again later.",
            )
        case _:
            return Failure(
                "BadRequest",
                f"The request was not understood ({status}).",
                ("The request is malformed.", "The host name is not one the service answers to."),
                "Correct the request.",
            )
