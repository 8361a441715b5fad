"""`vlm-bt bench`: what it can do, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlm_bt.errors import ConfigError


def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark; they are listed above.")],
    seeds: Annotated[str | None, typer.Option(help="Scenes to run, such as 1000-1019.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws other scenes where --seeds does not name them.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small version that ends within 2 minutes on 2 cores.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Keeps results, so that an interrupted benchmark goes on.")] = Path(
        "runs/bench"
    ),
    jobs: Annotated[int, typer.Option(min=1, help="How many missions at once; more than one spoils timings.")] = 1,
    missions: Annotated[int, typer.Option(min=0, help="How many seeds a campaign runs; 0: as many as asked for.")] = 0,
    fidelity: Annotated[str, typer.Option(help="Of a campaign's simulation: 'full' or 'fast'.")] = "full",
    ray: Annotated[str, typer.Option(help="A Ray cluster's address that runs a campaign; 'local' starts one.")] = "",
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object as the last line.")] = False,
) -> None:
    """Run a benchmark and say which of its targets hold.

    \b
    vlm-bt bench mission --seeds 1000-1019   20 whole missions on benches never used in training or tuning
    vlm-bt bench story                       the nine steps of the workbench, and the tool fetched after them
    vlm-bt bench trace                       the same seed twice gives the same trace, also beside a CPU hog
    vlm-bt bench import                      how light `import vlm_bt` is
    vlm-bt bench load                        a tree of 1,000 nodes read, checked and built
    vlm-bt bench mutants                     single faults in the shipped trees, told at their exact place
    vlm-bt bench fuzz                        100,000 random documents: no crash, no hang, no memory
    vlm-bt bench vision                      the vision service next to the plain libraries, and under every fault
    vlm-bt bench answers                     what the shipped model says about single things, for --fidelity fast
    vlm-bt bench campaign                    missions under every fault, beside a baseline that verifies nothing
    vlm-bt bench record                      what recording costs, and what a kill leaves of a record
    vlm-bt bench view                        how late browsers see a mission, and what they cost it
    vlm-bt bench ros                         images, starts, stops, kills and restarts over ROS 2

    Ends with 0 when every target holds, 1 when one does not.
    """
    from vlm_bt.bench import BENCHES
    from vlm_bt.bench.form import Plan, finish, seed_range

    if name not in BENCHES:
        raise ConfigError(f"no benchmark is called {name!r}; there are: {', '.join(BENCHES)}")
    if fidelity not in ("full", "fast"):
        raise ConfigError(f"--fidelity is 'full' or 'fast', not {fidelity!r}")
    plan = Plan(
        seeds=seed_range(seeds) if seeds else (),
        seed=seed,
        quick=quick,
        out=out,
        jobs=jobs,
        missions=missions,
        fidelity=fidelity,
        ray=ray,
    )
    raise typer.Exit(finish(name, BENCHES[name](plan, typer.echo), json, typer.echo))
