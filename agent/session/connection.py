"""The TLS channel to the coordinator, pinned to the one authority that may vouch for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc

from agent.identity import Identity

REGISTRATION_SERVER: Final = "registration.opensiterecovery"
SESSION_SERVER: Final = "session.opensiterecovery"

KEEPALIVE_INTERVAL_SECONDS: Final = 10
KEEPALIVE_TIMEOUT_SECONDS: Final = 5
LARGEST_MESSAGE_BYTES: Final = 16 * 1024 * 1024

_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    # A coordinator that vanished without a word is noticed by the missing answer to a ping.
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_SECONDS * 1000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
    # Otherwise channels share connections, and a new session waits in the backoff of the old one.
    ("grpc.use_local_subchannel_pool", 1),
    # The agent has its own backoff; a proxy of the environment is not for it.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


def registration_channel(endpoint: str, ca_certificate: bytes) -> grpc.aio.Channel:
    """A channel to the registration service; only the coordinator shows a certificate.

    Args:
        endpoint: "host:port".
        ca_certificate: PEM; what the coordinator's certificate must come from.
    """
    return _channel(
        endpoint,
        grpc.ssl_channel_credentials(root_certificates=ca_certificate),
        REGISTRATION_SERVER,
    )


def session_channel(identity: Identity) -> grpc.aio.Channel:
    """A channel to the session service, with the agent's certificate."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=identity.ca_certificate,
        private_key=identity.private_key.reveal(),
        certificate_chain=identity.certificate_chain,
    )
    return _channel(identity.endpoint, credentials, SESSION_SERVER)


def _channel(
    endpoint: str, credentials: grpc.ChannelCredentials, server_name: str
) -> grpc.aio.Channel:
    # The certificate names the service, not the machine: an endpoint may move.
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", server_name))
    return grpc.aio.secure_channel(endpoint, credentials, options=options)
