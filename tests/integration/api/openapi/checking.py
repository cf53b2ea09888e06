"""Every answer that a test of the API gets is compared with the document."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from typing_extensions import override

from tests.integration.api.openapi.document import strict


@cache
def schema() -> Any:
    """The document, read once for all tests of a process."""
    return schemathesis.openapi.from_dict(strict())


def check(answer: requests.Response) -> None:
    """Compares an answer with what the document says of its operation.

    Addresses that the document does not have are somebody else's.
    """
    method = str(answer.request.method)
    operation = schema().find_operation_by_path(method, urlsplit(str(answer.request.url)).path)
    if operation is None:
        return
    told = list(operation.responses.status_codes)
    assert str(answer.status_code) in told, f"{operation.label} answers {answer.status_code}"
    if answer.content:
        operation.validate_response(answer)
    else:
        assert answer.status_code in {202, 204}, operation.label


class ComparedWithTheDocument(SansIOHTTPPolicy[Any, Any]):
    """As `check`, for Microsoft's clients."""

    @override
    def on_response(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> None:
        internal = response.http_response.internal_response
        if isinstance(internal, requests.Response):
            check(internal)
