"""Where a coordinator keeps its state and how it reaches its parts, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Configuration:
    """Settings of one coordinator; every process of it reads the same.

    Attributes:
        state: Folder of everything that outlives a process: keys, certificates, embedded databases.
        database_url: PostgreSQL, as libpq reads it. Embedded: a socket in the state folder.
        redis_url: Redis, or any broker Celery speaks.
        api_host, api_port: Where the API listens (HTTPS).
        gateway_host, gateway_port: Where agents dial (TLS, one port for all they do).
        public_host: Name or address clients use for both; it is in the server certificate.
        lease_seconds: An agent not heard of for so long is lost.
        sweep_seconds: How often the sweep compares what moves with what should.
        first_copies_per_source_host: How many first copies a host sends at once.
        first_copies_per_recovery_host: How many first copies a host receives at once.
        commands_per_host: How many commands that change something work on a host at once.
        plan_groups: How many groups a recovery plan may have.
        plan_machines: How many machines a recovery plan may have.
        oidc_issuer: URL of the OpenID Connect provider people may sign in with; "" for none.
        oidc_client_id, oidc_client_secret_file: Who the coordinator is there. The secret is in a
            file: an environment is shown in lists of processes.
        oidc_name: What the provider is called on the sign-in page.
        smtp_host: Mail server that takes alerts; "" for none.
        smtp_port, smtp_security: How it is reached: "starttls", "tls" or "none".
        smtp_user, smtp_password_file: Who the coordinator is there; "" for nobody.
        smtp_from: From whom alerts are; "": opensiterecovery at the public host.
        alert_mail_seconds: Between two mails about one vault to one address.
        alert_ca_file: Certificates trusted in mail servers and webhooks beside the system's.
        webhook_networks: Networks webhooks may reach beside public addresses, by commas.
        log_format: "logfmt" or "json".
    """

    state: Path
    database_url: str
    redis_url: str
    api_host: str = "127.0.0.1"
    api_port: int = 9443
    gateway_host: str = "127.0.0.1"
    gateway_port: int = 9444
    public_host: str = "localhost"
    heartbeat_seconds: float = 5.0
    lease_seconds: float = 25.0
    sweep_seconds: float = 2.0
    first_copies_per_source_host: int = 3
    first_copies_per_recovery_host: int = 6
    commands_per_host: int = 6
    plan_groups: int = 7
    plan_machines: int = 2000
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret_file: Path | None = None
    oidc_name: str = "Single sign-on"
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password_file: Path | None = None
    smtp_from: str = ""
    alert_mail_seconds: float = 300.0
    alert_ca_file: str = ""
    webhook_networks: str = ""
    log_format: str = "logfmt"

    @property
    def api_url(self) -> str:
        return f"https://{self.public_host}:{self.api_port}"

    @property
    def gateway_endpoint(self) -> str:
        return f"{self.public_host}:{self.gateway_port}"


def read_configuration(environment: Mapping[str, str] = os.environ) -> Configuration:
    """Reads the OSR_* variables; deploy/docs/settings.md lists them.

    Raises:
        ValueError: A number is none, or too small.
    """
    state = Path(environment.get("OSR_STATE", "/var/lib/opensiterecovery"))
    secret_file = environment.get("OSR_OIDC_CLIENT_SECRET_FILE", "")
    return Configuration(
        state=state,
        database_url=environment.get("OSR_DATABASE_URL", "postgresql:///osr"),
        redis_url=environment.get("OSR_REDIS_URL", "redis://127.0.0.1:6379/0"),
        api_host=environment.get("OSR_API_HOST", "127.0.0.1"),
        api_port=int(environment.get("OSR_API_PORT", "9443")),
        gateway_host=environment.get("OSR_GATEWAY_HOST", "127.0.0.1"),
        gateway_port=int(environment.get("OSR_GATEWAY_PORT", "9444")),
        public_host=environment.get("OSR_PUBLIC_HOST", "localhost"),
        heartbeat_seconds=float(environment.get("OSR_HEARTBEAT_SECONDS", "5")),
        lease_seconds=float(environment.get("OSR_LEASE_SECONDS", "25")),
        sweep_seconds=float(environment.get("OSR_SWEEP_SECONDS", "2")),
        first_copies_per_source_host=_at_least_one(
            environment, "OSR_FIRST_COPIES_PER_SOURCE_HOST", 3
        ),
        first_copies_per_recovery_host=_at_least_one(
            environment, "OSR_FIRST_COPIES_PER_RECOVERY_HOST", 6
        ),
        commands_per_host=_at_least_one(environment, "OSR_COMMANDS_PER_HOST", 6),
        plan_groups=_at_least_one(environment, "OSR_PLAN_GROUPS", 7),
        plan_machines=_at_least_one(environment, "OSR_PLAN_MACHINES", 2000),
        oidc_issuer=environment.get("OSR_OIDC_ISSUER", ""),
        oidc_client_id=environment.get("OSR_OIDC_CLIENT_ID", ""),
        oidc_client_secret_file=Path(secret_file) if secret_file else None,
        oidc_name=environment.get("OSR_OIDC_NAME", "Single sign-on"),
        **_of_alerts(environment),
        log_format=_one_of(environment, "OSR_LOG_FORMAT", ("logfmt", "json")),
    )


def _of_alerts(environment: Mapping[str, str]) -> dict[str, Any]:
    password_file = environment.get("OSR_SMTP_PASSWORD_FILE", "")
    networks = environment.get("OSR_WEBHOOK_NETWORKS", "")
    for network in networks.split(","):
        if network.strip():
            ip_network(network.strip())
    if environment.get("OSR_SMTP_USER") and environment.get("OSR_SMTP_SECURITY") == "none":
        raise ValueError("OSR_SMTP_USER needs OSR_SMTP_SECURITY to be starttls or tls")
    return {
        "smtp_host": environment.get("OSR_SMTP_HOST", ""),
        "smtp_port": int(environment.get("OSR_SMTP_PORT", "587")),
        "smtp_security": _one_of(environment, "OSR_SMTP_SECURITY", ("starttls", "tls", "none")),
        "smtp_user": environment.get("OSR_SMTP_USER", ""),
        "smtp_password_file": Path(password_file) if password_file else None,
        "smtp_from": environment.get("OSR_SMTP_FROM", ""),
        "alert_mail_seconds": float(environment.get("OSR_ALERT_MAIL_SECONDS", "300")),
        "alert_ca_file": environment.get("OSR_ALERT_CA_FILE", ""),
        "webhook_networks": networks,
    }


def _one_of(environment: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """A word of a few; the first when nothing is said."""
    word = environment.get(name, values[0])
    if word not in values:
        raise ValueError(f"{name} is {word!r} and must be one of {', '.join(values)}")
    return word


def _at_least_one(environment: Mapping[str, str], name: str, default: int) -> int:
    number = int(environment.get(name, default))
    if number < 1:
        raise ValueError(f"{name} is {number} and must be 1 or more")
    return number
