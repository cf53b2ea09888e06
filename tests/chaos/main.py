"""`tests/chaos/run`: any number of deaths, by a seed."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.lab.control.stage import Stage, StageOptions
from deploy.story.story import Narrator, Story
from tests.chaos.campaign import Campaign
from tests.chaos.plan_campaign import PlanCampaign
from tests.chaos.plan_judge import PlanVerdict
from tests.chaos.plan_lab import PlanLab
from tests.chaos.plan_points import choose_plan_points
from tests.chaos.points import choose_points
from tests.chaos.site_campaign import SiteCampaign, SiteVerdict
from tests.chaos.site_points import SITES, choose_site_points
from tests.chaos.two_sites import TwoSites


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/chaos/run", description=__doc__)
    parser.add_argument("--points", type=int, default=20, metavar="N", help="deaths (20)")
    parser.add_argument(
        "--sites", action="store_true", help="take the power from sites instead of processes"
    )
    parser.add_argument(
        "--scenario",
        choices=("story", "plan", "return"),
        default="story",
        help="what is played (story)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=25,
        metavar="N",
        help="of the scenario return, each a random order for four machines (25)",
    )
    parser.add_argument(
        "--machines", type=int, default=40, metavar="N", help="of the plan, at most 40 (40)"
    )
    parser.add_argument(
        "--at-once",
        type=int,
        metavar="N",
        help="most deaths in one run of the plan (a quarter of its machines, at least 2)",
    )
    parser.add_argument("--seed", type=int, metavar="S", help="to have the same deaths again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdict as JSON")
    parser.add_argument("--keep", action="store_true", help="leave folder and processes behind")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    seed = options.seed if options.seed is not None else secrets.randbelow(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="osr-chaos-"))
    if options.sites:
        of_sites = asyncio.run(_sites(folder, options.points, seed))
        if of_sites.ok and not options.keep:
            shutil.rmtree(folder)
        return _report(options, seed, of_sites.as_json(), folder)
    if options.scenario == "return":
        return _report(options, seed, _returns(options.rounds, seed, folder), folder)
    if options.scenario == "plan":
        of_plan = _plan(options, folder, seed)
        return _report(options, seed, of_plan.as_json(), folder / "logs")
    stage = Stage(StageOptions(state=folder, speed=10.0))
    try:
        stage.up(lambda text: print(text, "...", flush=True))
        points = choose_points(options.points, seed)
        campaign = Campaign(Story(stage, Narrator()), points, lambda t: print(t, flush=True))
        verdict = campaign.run()
    finally:
        if not options.keep:
            stage.down()
    return _report(options, seed, verdict.as_json(), folder / "logs")


def _plan(options: argparse.Namespace, folder: Path, seed: int) -> PlanVerdict:
    def tell(text: str) -> None:
        print(text, flush=True)

    lab = PlanLab(folder, options.machines)
    try:
        lab.up(tell)
        points = choose_plan_points(
            options.points, seed, machines=len(lab.names), at_once=options.at_once
        )
        return PlanCampaign(lab, points, tell).run()
    finally:
        if not options.keep:
            lab.down()


def _returns(rounds: int, seed: int, folder: Path) -> dict[str, object]:
    """Plays the test of returning sites, which brings its database, for longer than tests do."""
    verdict = folder / "verdict.json"
    test = "tests/chaos/test_site_returns.py"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", test]
    chosen = {"OSR_CHAOS_ROUNDS": str(rounds), "OSR_CHAOS_SEED": str(seed)}
    with (folder / "output.log").open("wb") as output:
        done = subprocess.run(
            command,
            env={**os.environ, **chosen, "OSR_CHAOS_JSON": str(verdict)},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not verdict.exists():
        return {"ok": False, "exit_status": done.returncode}
    document: dict[str, object] = json.loads(verdict.read_text(encoding="utf-8"))
    return document


async def _sites(folder: Path, points: int, seed: int) -> SiteVerdict:
    sites = TwoSites(folder)
    try:
        for name in SITES:
            await sites.start(name)
            await sites.configure(name)
        chosen = choose_site_points(points, seed)
        return await SiteCampaign(sites, chosen, lambda text: print(text, flush=True)).run()
    finally:
        await sites.close()


def _report(
    options: argparse.Namespace, seed: int, verdict: dict[str, object], folder: Path
) -> int:
    document = {"seed": seed, **verdict}
    print(json.dumps(document, indent=2))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2), encoding="utf-8")
    if not verdict["ok"]:
        again = f"tests/chaos/run{_played(options)} --points {options.points} --seed {seed}"
        print(f"see {folder}; again: {again}", file=sys.stderr)
    return 0 if verdict["ok"] else 1


def _played(options: argparse.Namespace) -> str:
    """The options that say what was played."""
    if options.sites:
        return " --sites"
    if options.scenario == "return":
        return f" --scenario return --rounds {options.rounds}"
    plan = f" --scenario plan --machines {options.machines}"
    plan += f" --at-once {options.at_once}" if options.at_once else ""
    return plan if options.scenario == "plan" else ""


if __name__ == "__main__":
    sys.exit(main())
