"""`osr`: everything an operator does, from a shell."""

from __future__ import annotations

import logging

import typer

from coordinator.cli import (
    alerts,
    api_requests,
    audit,
    bandwidth,
    checks,
    clouds,
    events,
    failover,
    job_exports,
    jobs,
    keys,
    login,
    machines,
    networks,
    offline_copies,
    paired_hosts,
    pairs,
    plan_actions,
    plan_machines,
    plan_runs,
    plans,
    policies,
    profile_commands,
    protection,
    roles,
    running_replication,
    servers,
    storage,
    test_failover,
    vaults,
    webhooks,
)
from coordinator.cli.apply import commands as apply_commands
from coordinator.cli.failures import ExitCode

EPILOG = "Exit status: " + ", ".join(
    f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Open Site Recovery: protects Hyper-V machines of one VMM site at another.",
    epilog=EPILOG,
)
app.add_typer(login.commands)
app.add_typer(profile_commands.app, name="profile")
app.add_typer(apply_commands.commands)
app.add_typer(api_requests.commands)
app.add_typer(roles.app, name="role")
app.add_typer(vaults.app, name="vault")
app.add_typer(keys.app, name="key")
app.add_typer(servers.app, name="server")
app.add_typer(clouds.app, name="cloud")
app.add_typer(machines.app, name="vm")
app.add_typer(policies.app, name="policy")
app.add_typer(pairs.app, name="pair")
paired_hosts.add_to(pairs.app)
app.add_typer(networks.app, name="network")
app.add_typer(storage.app, name="storage")
app.add_typer(bandwidth.app, name="bandwidth")
app.add_typer(protection.app, name="protect")
offline_copies.add_to(protection.app)
running_replication.add_to(protection.app)
app.add_typer(failover.app, name="failover")
app.add_typer(failover.commands)
app.add_typer(plans.app, name="plan")
plan_machines.add_to(plans.app)
plan_runs.add_to(plans.app)
checks.add_to(failover.app, plans.app)
test_failover.add_to(failover.app, plans.app)
plans.app.add_typer(plan_actions.app, name="action")
app.add_typer(jobs.app, name="job")
job_exports.add_to(jobs.app)
app.add_typer(events.app, name="events")
app.add_typer(alerts.app, name="alerts")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(audit.app, name="audit")


def main() -> None:
    # What the SDK logs of a failure, the command says in its own words.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    logging.getLogger("azure").propagate = False
    app()


if __name__ == "__main__":
    main()
