"""What stands against a run, or should be known before it: pure (SPEC RP-6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.facts import Finding, HostFacts, RunFacts, ServerFacts, Severity
from coordinator.recovery.dry_run.machine_checks import MACHINE, check_machine

PLAN, SERVER, HOST, SCRIPT = "RecoveryPlan", "Server", "Host", "Script"
_ORDER = list(Severity)
GIBIBYTE = 1 << 30


def check(facts: RunFacts) -> tuple[Finding, ...]:
    """Everything that is found, errors first.

    Args:
        facts: The run as it would begin now.

    Source: SPEC RP-6.
    """
    return tuple(sorted(_all(facts), key=lambda found: _ORDER.index(found.severity)))


def _all(facts: RunFacts) -> Iterator[Finding]:
    for refusal in facts.refusals:
        yield _found(Severity.ERROR, refusal, PLAN, facts.plan)
    yield from _servers(facts)
    for machine in facts.machines:
        for severity, failure in check_machine(facts.operation, machine):
            yield _found(severity, failure, MACHINE, machine.name)
    yield from _hosts(facts)
    yield from _actions(facts)


def _servers(facts: RunFacts) -> Iterator[Finding]:
    source_needed = facts.operation is Operation.PLANNED_FAILOVER
    for server, needed in ((facts.source, source_needed), (facts.target, True)):
        if server is None or server.connected:
            continue
        if facts.operation is Operation.TEST_FAILOVER and not needed:
            continue
        severity = Severity.ERROR if needed else Severity.WARNING
        yield _found(severity, _away(server, needed=needed), SERVER, server.name)


def _away(server: ServerFacts, *, needed: bool) -> Failure:
    without = "" if needed else " Without it nothing is shut down, and the latest changes are lost."
    if not server.registered:
        return Failure(
            "ProviderNotRegistered",
            f"{server.name} has no provider in the vault.{without}",
            ("Its provider was removed.",),
            f"Register a provider on {server.name} with this vault.",
        )
    return Failure(
        "ProviderNotConnected",
        f"The provider of {server.name} is not connected.{without}",
        (
            "The provider's service is stopped, or its server is down.",
            "The network between it and the coordinator is interrupted.",
        ),
        f"Start the service osr-agent on {server.name} and see that it reaches the coordinator.",
    )


def _hosts(facts: RunFacts) -> Iterator[Finding]:
    needed: defaultdict[str, int] = defaultdict(int)
    count: defaultdict[str, int] = defaultdict(int)
    for machine in facts.machines:
        if machine.takes_part and machine.target_host:
            needed[machine.target_host] += machine.memory_bytes
            count[machine.target_host] += 1
    for host in facts.hosts:
        if not count[host.name]:
            continue
        found = _host(host, needed[host.name], count[host.name])
        if found is not None:
            yield _found(*found, HOST, host.name)


def _host(host: HostFacts, needed_bytes: int, machines: int) -> tuple[Severity, Failure] | None:
    wanted = f"{machines} machines would go to it"
    if not host.known:
        return Severity.ERROR, Failure(
            "RecoveryHostGone",
            f"VMM does not have the host {host.name} any more; {wanted}.",
            ("It was removed from VMM, or renamed.",),
            "Bring the host back, or protect the machines anew.",
        )
    if host.maintenance:
        return Severity.WARNING, Failure(
            "RecoveryHostInMaintenance",
            f"The host {host.name} is in maintenance mode; {wanted}.",
            ("Somebody works on it.",),
            "End the maintenance mode before the plan is run.",
        )
    if not host.total_memory_bytes:
        return Severity.INFORMATION, Failure(
            "RecoveryHostMemoryUnknown",
            f"How much memory the host {host.name} has is not known; {wanted}.",
            ("VMM has not told it yet.",),
            "Refresh the host in VMM, then run the check again.",
        )
    if needed_bytes <= host.available_memory_bytes:
        return None
    too_large = needed_bytes > host.total_memory_bytes
    return Severity.ERROR if too_large else Severity.WARNING, Failure(
        "RecoveryHostMemoryShort",
        f"{wanted.capitalize()} and need {_gib(needed_bytes)}; {host.name} has "
        f"{_gib(host.available_memory_bytes)} free of {_gib(host.total_memory_bytes)}.",
        (
            "More machines have been placed there than it can run at once.",
            "Other machines that run there now use its memory.",
        ),
        f"Free memory on {host.name}, give it more, or move replicas to other hosts; machines "
        "with dynamic memory may start with less.",
    )


def _actions(facts: RunFacts) -> Iterator[Finding]:
    for name, path in facts.scripts:
        yield _found(
            Severity.INFORMATION,
            Failure(
                "PlanScriptNotLookedAt",
                f"Whether {path} is there has not been looked at: this check asks no server.",
                ("Scripts are in the library share, which only the server sees.",),
                "See that the file is in the library share of the server that runs it.",
            ),
            SCRIPT,
            name,
        )
    if facts.manual_actions:
        yield _found(
            Severity.INFORMATION,
            Failure(
                "PlanWaitsForPeople",
                f"The run waits {facts.manual_actions} times for somebody; the forecast counts "
                "that for nothing.",
                ("The plan has manual actions.",),
                "Make sure that whoever is to do them can be reached.",
            ),
            PLAN,
            facts.plan,
        )
    if facts.unmeasured:
        yield _found(
            Severity.INFORMATION,
            Failure(
                "ForecastUnmeasured",
                "The forecast is partly a guess: there are no measured times of "
                f"{', '.join(facts.unmeasured)}.",
                ("They have not been carried out in this vault yet.",),
                "Run a test failover of the plan; each one makes the forecast better.",
            ),
            PLAN,
            facts.plan,
        )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIBIBYTE:.1f} GiB"


def _found(severity: Severity, failure: Failure, kind: str, name: str) -> Finding:
    return Finding(severity=severity, failure=failure, object_type=kind, object_name=name)
