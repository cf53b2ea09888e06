"""What goes wrong below the agent, and what becomes of the job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coordinator.config.waiting import wait_for
from deploy.lab.control.operator import JobFailedError
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import agent_program
from deploy.lab.site.faults import Fault, FaultKind
from deploy.story.story import TO_PRIMARY, TO_RECOVERY, Cast, Story
from tests.e2e.test_osr import osr

JOB_LIMIT_SECONDS = 120.0


@pytest.fixture(scope="module")
def protected(paired: Story) -> Iterator[Story]:
    """The story of a machine that is protected and stays at Shanghai between the tests."""
    story = paired.of(Cast(machine="VM3"))
    story.protect_machine()
    yield story
    cloud = story.operator.clouds()[story.cast.source_cloud]
    story.operator.wait_for_job(story.operator.disable(cloud, story.item), JOB_LIMIT_SECONDS)


def fail_over(story: Story) -> str:
    cloud = story.operator.clouds()[story.cast.source_cloud]
    return story.operator.planned_failover(cloud, story.item, TO_RECOVERY)


def come_home(story: Story) -> None:
    """Brings the machine back to Shanghai, protected."""
    story.reverse(TO_PRIMARY, "Shanghai")
    story.planned_failover(TO_PRIMARY, "Beijing", "Shanghai")
    story.commit()
    story.reverse(TO_RECOVERY, "Beijing")


@pytest.mark.timeout(240)
def test_an_error_of_powershell_is_kept_whole_and_the_failover_can_be_asked_for_again(
    protected: Story, sites: Sites
) -> None:
    sites.admin("Beijing").add_fault(
        Fault(
            kind=FaultKind.FAIL,
            cmdlet="Start-VMFailover",
            remaining=100,
            error_id="OperationFailed",
            category="NotSpecified",
            message="Hyper-V failed to fail over to the selected recovery point.",
        )
    )
    job = fail_over(protected)
    with pytest.raises(JobFailedError):
        protected.operator.wait_for_job(job, JOB_LIMIT_SECONDS)
    errors = protected.operator.job(job).errors or []
    details = errors[0].provider_error_details or errors[0].service_error_details
    text = f"{errors[0].service_error_details} {details}"
    assert "failed to fail over to the selected recovery point" in text
    assert errors[0].service_error_details is not None
    assert errors[0].service_error_details.recommended_action

    sites.admin("Beijing").clear_faults()
    protected.planned_failover(TO_RECOVERY, "Shanghai", "Beijing")
    come_home(protected)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", [FaultKind.VANISH, FaultKind.FAIL_AFTER])
def test_a_cmdlet_that_worked_without_an_answer_is_not_run_again(
    protected: Story, sites: Sites, kind: FaultKind
) -> None:
    sites.admin("Shanghai").add_fault(Fault(kind=kind, cmdlet="Stop-VM"))
    sites.admin("Beijing").add_fault(Fault(kind=kind, cmdlet="Start-VMFailover"))
    before = sites.duplicate_effects()
    protected.planned_failover(TO_RECOVERY, "Shanghai", "Beijing")
    come_home(protected)
    assert sites.duplicate_effects() == before == 0


@pytest.mark.timeout(240)
def test_a_cmdlet_that_hangs_is_outlived_by_the_death_of_its_agent(
    protected: Story, sites: Sites
) -> None:
    sites.admin("Beijing").add_fault(Fault(kind=FaultKind.HANG, cmdlet="Start-VMFailover"))
    job = fail_over(protected)
    protected.operator.wait_for_task(job, "VmFailover", JOB_LIMIT_SECONDS)
    group = protected.stage.group()
    group.kill_program(agent_program("Beijing"))
    sites.admin("Beijing").clear_faults()
    group.start_program(agent_program("Beijing"))
    protected.operator.wait_for_job(job, JOB_LIMIT_SECONDS)
    assert sites.machine("VM3").site == "Beijing"
    assert sites.duplicate_effects() == 0
    come_home(protected)


@pytest.mark.timeout(120)
@pytest.mark.spec("FO-6")
def test_a_second_operation_on_a_busy_item_is_refused_at_once_naming_the_job(
    protected: Story, sites: Sites
) -> None:
    sites.admin("Shanghai").add_fault(Fault(kind=FaultKind.HANG, cmdlet="Stop-VM"))
    job = fail_over(protected)
    with pytest.raises(Exception, match=job) as refusal:
        fail_over(protected)
    assert "532" in str(refusal.value)
    sites.admin("Shanghai").clear_faults()
    protected.operator.wait_for_job(job, JOB_LIMIT_SECONDS)
    come_home(protected)


@pytest.mark.timeout(120)
@pytest.mark.spec("EN-10")
def test_a_site_cut_off_catches_up_when_it_is_joined_again(protected: Story, sites: Sites) -> None:
    sites.cut("Beijing")
    written = sites.write("VM3", 5)
    sites.heal("Beijing")
    sites.admin("Shanghai").replicate_now("VM3")

    def arrived() -> bool:
        return sites.ledger("VM3", site="Beijing").last_found >= written

    wait_for(f"record {written} at Beijing", arrived, JOB_LIMIT_SECONDS)


@pytest.mark.timeout(180)
@pytest.mark.spec("EN-10")
def test_a_recovery_site_that_lost_its_power_comes_back_and_goes_on_receiving(
    protected: Story, sites: Sites
) -> None:
    sites.kill("Beijing")
    assert not sites.admin("Beijing").is_up()
    written = sites.write("VM3", 5)
    sites.start("Beijing")
    wait_for(
        "the agent at Beijing",
        lambda: protected.operator.server_state("VMM-Beijing") == "Connected",
        JOB_LIMIT_SECONDS,
    )
    sites.admin("Shanghai").replicate_now("VM3")

    def arrived() -> bool:
        return sites.ledger("VM3", site="Beijing").last_found >= written

    wait_for(f"record {written} at Beijing", arrived, JOB_LIMIT_SECONDS)


@pytest.mark.timeout(300)
@pytest.mark.spec("PO-3", "RE-8", "RE-5")
def test_replication_stops_without_certificates_and_goes_on_without_loss_with_new_ones(
    protected: Story, sites: Sites
) -> None:
    duplicates = sites.duplicate_effects()
    hosts = {sites.machine("VM3", site=site).host: site for site in ("Shanghai", "Beijing")}
    for host, site in hosts.items():
        sites.admin(site).forget_certificates(host)
    written = sites.write("VM3", 3)
    sites.admin("Shanghai").replicate_now("VM3")

    def broken() -> bool:
        cloud = protected.operator.clouds()[protected.cast.source_cloud]
        item = protected.operator.item(cloud, protected.item)
        assert item is not None
        # Beside it cycles may count as missed, which says more about the machine of the tests.
        codes = {each.error_code for each in item.health_errors or []}
        assert item.replication_health == "Critical" or "67501" not in codes
        return "67501" in codes

    wait_for("the item to say that replication does not work", broken, JOB_LIMIT_SECONDS)
    before = len(sites.effects())
    renewed = osr(protected.stage, "pair", "renew-certificates", "GoldCloud1")
    assert renewed.returncode == 0, renewed.stdout + renewed.stderr
    repaired = osr(protected.stage, "protect", "repair", "VM3")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    wait_for(
        "what was written meanwhile to arrive",
        lambda: sites.ledger("VM3", site="Beijing").last_found >= written,
        JOB_LIMIT_SECONDS,
    )
    wait_for("the error to go", lambda: not broken(), JOB_LIMIT_SECONDS)
    done = sites.effects()[before:]
    assert {e.host for e in done if e.effect == "certificate.installed"} >= set(hosts)
    assert not [e for e in done if "resynchroni" in e.effect]
    assert sites.ledger("VM3", site="Beijing").gaps == 0
    assert sites.duplicate_effects() == duplicates
