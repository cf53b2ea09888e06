"""One id through all logs of a request: from the API to the cmdlets on the VMM server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from azure.core.rest import HttpRequest, HttpResponse

from agent.powershell.pool import NO_COMMAND
from deploy.lab.control.stage import Stage
from deploy.story.story import Story

TRACE = "e2e-trace-4711"
HEADER = "x-ms-correlation-request-id"
# key=value, the value in quotes if it has spaces.
PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')
COUNTER = 0xFFFFFFFF


def send(stage: Stage, method: str, body: object = None) -> HttpResponse:
    """Asks for the bandwidth limit of a server: a job that runs cmdlets on its hosts."""
    operator = stage.operator()
    connection = operator.connection
    fabric = operator.fabrics()["VMM-Shanghai"].name
    address = (
        f"/subscriptions/{connection.subscription_id}/resourceGroups/{connection.resource_group}"
        f"/providers/Microsoft.RecoveryServices/vaults/{connection.vault}"
        f"/replicationFabrics/{fabric}/replicationBandwidthLimits/replication"
    )
    request = HttpRequest(
        method, address, params={"api-version": "2025-08-01"}, json=body, headers={HEADER: TRACE}
    )
    response = operator.recovery.send_request(request)
    response.raise_for_status()
    return response


def lines(stage: Stage, *programs: str) -> Iterator[dict[str, str]]:
    """What programs logged with the id."""
    for program in programs:
        text = (stage.group().logs / f"{program}.log").read_text("utf-8", errors="replace")
        for line in text.splitlines():
            if f"correlation_id={TRACE}" in line:
                yield {name: value.strip('"') for name, value in PAIR.findall(line)}


@pytest.mark.spec("EV-2", "JB-1")
def test_one_id_follows_a_request_from_the_api_to_the_cmdlets(stage: Stage, paired: Story) -> None:
    operator = stage.operator()
    limit = {"properties": {"timeZone": "UTC", "windows": [], "bitsPerSecond": 90_000_000}}
    for method, body in (("PUT", limit), ("DELETE", None)):
        answer = send(stage, method, body)
        assert answer.headers[HEADER] == TRACE
        name = answer.headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]
        operator.wait_for_job(name, 120)
        assert operator.job(name)["correlationId"] == TRACE
    told = list(lines(stage, "api"))
    assert {"request.answered", "job.begun"} <= {line["event"] for line in told}
    jobs = {line["job_id"] for line in told if line["event"] == "job.begun"}
    assert len(jobs) == 2
    told = list(lines(stage, "gateway", "worker", "worker-failover"))
    assert {"step.begun", "step.ended", "command.sent", "job.ended"} <= {
        line["event"] for line in told
    }
    assert {line["job_id"] for line in told if "job_id" in line} == jobs
    told = list(lines(stage, "agent-shanghai"))
    assert {"command.accepted", "command.finished", "pipeline.ended"} <= {
        line["event"] for line in told
    }
    commands = {UUID(line["command_id"]) for line in told if "command_id" in line}
    pipelines = [line for line in told if line["event"] == "pipeline.ended"]
    assert any("NetQosPolicy" in line["cmdlets"] for line in pipelines)
    for line in pipelines:
        cause = UUID(int=UUID(line["pipeline_id"]).int & ~COUNTER)
        assert cause in commands
        assert cause != NO_COMMAND
    # The other server had no part in it.
    assert not list(lines(stage, "agent-beijing"))
