"""The API process: uvicorn with the coordinator's own certificate."""

from __future__ import annotations

import uvicorn

from coordinator.config.configuration import Configuration


def serve(configuration: Configuration) -> None:
    """Serves until stopped."""
    folder = configuration.state / "ca"
    uvicorn.run(
        "coordinator.config.asgi:application",
        host=configuration.api_host,
        port=configuration.api_port,
        ssl_certfile=folder / "server.pem",
        ssl_keyfile=folder / "server.key",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=5,
    )
