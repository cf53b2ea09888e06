"""What stands against a run, or should be known before it: pure (SPEC RP-6)."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.address_checks import check_addresses
from coordinator.recovery.dry_run.facts import (
    MACHINE,
    PLAN,
    SERVER,
    Finding,
    RunFacts,
    ServerFacts,
    Severity,
)
from coordinator.recovery.dry_run.host_checks import check_room
from coordinator.recovery.dry_run.machine_checks import check_machine
from coordinator.recovery.dry_run.script_checks import check_scripts

_ORDER = list(Severity)


def check(facts: RunFacts) -> tuple[Finding, ...]:
    """Everything that is found, errors first.

    Args:
        facts: The run as it would begin now.

    Source: SPEC RP-6.
    """
    return tuple(sorted(_all(facts), key=lambda found: _ORDER.index(found.severity)))


def _all(facts: RunFacts) -> Iterator[Finding]:
    for refusal in facts.refusals:
        yield _found(Severity.ERROR, refusal, _subject(facts), facts.plan)
    yield from _servers(facts)
    for machine in facts.machines:
        for severity, failure in check_machine(facts.operation, machine, alone=facts.alone):
            yield _found(severity, failure, MACHINE, machine.name)
    yield from check_addresses(facts)
    yield from check_room(facts)
    yield from check_scripts(facts)
    yield from _remarks(facts)


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


def _remarks(facts: RunFacts) -> Iterator[Finding]:
    for remark in facts.remarks:
        yield _found(Severity.INFORMATION, remark, _subject(facts), facts.plan)
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
            _subject(facts),
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
                "Run a test failover; each one makes the forecast better.",
            ),
            _subject(facts),
            facts.plan,
        )


def _subject(facts: RunFacts) -> str:
    return MACHINE if facts.alone else PLAN


def _found(severity: Severity, failure: Failure, kind: str, name: str) -> Finding:
    return Finding(severity=severity, failure=failure, object_type=kind, object_name=name)
