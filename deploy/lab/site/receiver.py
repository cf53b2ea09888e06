"""What a replica server does with the requests of a primary server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog

from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.received_copies import (
    begin_copy,
    checksums,
    finish_compare,
    finish_copy,
    stage_blocks,
    take_chunk,
)
from deploy.lab.site.received_logs import take_log
from deploy.lab.site.received_replicas import create_replica
from deploy.lab.site.replica_location import answer_locate, answer_present
from deploy.lab.site.reverse_acceptance import accept_reverse

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.listener import Answer, Caller
    from deploy.lab.site.model import Host

log = structlog.get_logger(__name__)

_Handler = Callable[["SiteCore", "Host", "Caller", dict[str, Any], bytes], Awaitable["Answer"]]

_HANDLERS: dict[str, _Handler] = {
    "locate": answer_locate,
    "present": answer_present,
    "create": create_replica,
    "copy_begin": begin_copy,
    "copy_chunk": take_chunk,
    "copy_finish": finish_copy,
    "compare_checksums": checksums,
    "compare_blocks": stage_blocks,
    "compare_finish": finish_compare,
    "log": take_log,
    "reverse": accept_reverse,
}


async def receive(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Answer one request.

    Raises:
        LinkError: The refusal that goes back to the primary server.
    """
    handler = _HANDLERS.get(str(header.get("kind")))
    if handler is None:
        raise LinkError(LinkFailure.REFUSED, "Unknown kind of request.")
    try:
        return await handler(site, host, caller, header, body)
    except LinkError:
        raise
    except OSError as error:
        log.exception("replication_request.failed", kind=header["kind"], host=host.fqdn)
        raise LinkError(
            LinkFailure.STORAGE, f"The Replica files cannot be used: {error}"
        ) from error
    except Exception as error:  # border: a request's failure becomes the answer
        log.exception("replication_request.failed", kind=header["kind"], host=host.fqdn)
        raise LinkError(LinkFailure.REFUSED, "The replica server failed.") from error
