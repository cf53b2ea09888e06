"""A job as a tree: its tasks, and below them the machines that have jobs of their own."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.tree import Tree

from coordinator.cli.job_readings import seconds_between, task_name

QUIET_STATES = frozenset({"Succeeded", "Skipped", "NotStarted"})


def job_tree(job: Any, members_shown: int | None) -> Tree:
    """The tree of a job.

    Args:
        job: As the SDK read it.
        members_shown: How many machines of a group are shown that nothing is the matter with;
            None: all.
    """
    properties = job.properties
    tree = Tree(
        f"{escape(str(properties.friendly_name))} of {escape(str(properties.target_object_name))}: "
        f"{properties.state}"
    )
    for task in properties.tasks or []:
        branch = tree.add(_line(task_name(task), task))
        details = task.custom_details or {}
        if details.get("instructions"):
            branch.add(f"To do: {escape(str(details['instructions']))}")
        if details.get("observation"):
            branch.add(f"Done: {escape(str(details['observation']))}")
        if details.get("output"):
            branch.add(f"Output: {escape(str(details['output']).strip())}")
        group = task.group_task_custom_details
        if group is not None:
            _add_members(branch, group.child_tasks or [], members_shown)
    return tree


def _add_members(branch: Tree, members: list[Any], shown: int | None) -> None:
    loud = [member for member in members if str(member.state) not in QUIET_STATES]
    quiet = [member for member in members if str(member.state) in QUIET_STATES]
    some = quiet if shown is None else quiet[: max(shown - len(loud), 0)]
    for member in (*loud, *some):
        leaf = branch.add(_line(task_name(member), member))
        details = member.custom_details or {}
        if details.get("skippedReason"):
            leaf.add(escape(str(details["skippedReason"])))
        else:
            leaf.add(f"job {_job_name(details)}")
    if len(some) < len(quiet):
        branch.add(f"and {len(quiet) - len(some)} more; see them with --all")


def _line(name: str, task: Any) -> str:
    seconds = seconds_between(task.start_time, task.end_time)
    took = "" if seconds is None else f", {seconds:.1f} s"
    return f"{escape(name)}: {task.state}{took}"


def _job_name(details: Any) -> str:
    job_id = (details.get("jobTask") or {}).get("jobId") or ""
    return str(job_id).rpartition("/")[2]
