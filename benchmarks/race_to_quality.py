"""Minutes from scratch until the hearts keep half of what the ECG tells: this project against the field's defaults.

    python benchmarks/race_to_quality.py --data UKBB --segmenter runs/segmenter --ceiling PIPELINE/ceiling

Both arms learn on the same prepared cohort. The same validation people judge them, by the same segmenter and against
the same ceiling; judging stops the clock. The baseline is given `--patience` times the minutes ours took. Minutes are
of CPU time over cores, so that a busy machine hurts both alike; wall minutes stand beside them. Writes
results/race_to_quality.json and .md. The arms may also run side by side, each on cores of its own:

    taskset -c 0 python benchmarks/race_to_quality.py --arm baseline --minutes 80 ... &
    taskset -c 1 python benchmarks/race_to_quality.py --arm ours ...
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

ARMS = ("ours", "baseline")


@dataclass(frozen=True)
class Config:
    """Race to information kept 0.5 of LVEDV and of LV mass."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/."""
    segmenter: Path = Path("runs/segmenter")
    """Folder of the run of the segmenter that measures both arms' hearts."""
    ceiling: Path = Path("pretrained/phantom/ceiling")
    """What ECG and person tell at all; R2 of hearts / its R2 is the information kept."""
    output: Path = Path("runs/race")
    """The arms' own folder; each arm's judgements are kept there."""
    prepared: Path = Path("runs/prepared")
    arm: Literal["both", "ours", "baseline"] = "both"
    minutes: float | None = None
    """The baseline's; if not given, `patience` times ours."""
    people: int = 48
    """Validation people who judge."""
    samples: int = 2
    """Hearts of each, at each judgement."""
    patience: float = 5.0
    """The baseline gets so many times the minutes ours needed."""
    steps: int = 1000
    """Of our denoiser's schedule; judged every 100."""
    max_bad_fraction: float = 0.2
    """Share of unreadable subjects above which the cohort is refused."""
    results: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch
    from accelerate import Accelerator

    from benchmarks.machine import described
    from benchmarks.race_baseline import learn_baseline
    from benchmarks.race_judge import KEPT_GOAL, RACED, Judge, Race, reached, result_rows, soonest, verdict
    from benchmarks.race_ours import learn_ours, our_options
    from benchmarks.table import write_tables
    from cohort.disk import write_json
    from cohort.prepared import Preparation, prepare_cohort
    from sampling.threads import share_cores

    share_cores(1)
    config.output.mkdir(parents=True, exist_ok=True)
    cohort = prepare_cohort(config.data, config.prepared, Preparation(), config.max_bad_fraction)
    judge = Judge.of(cohort, config.segmenter / "model", config.ceiling, config.people, config.samples)
    kept = {arm: config.output / f"{arm}.json" for arm in ARMS}
    if config.arm != "baseline":
        race = Race("ours", judge)
        learn_ours(our_options(config.output / "ours", config.segmenter, config.steps), cohort, Accelerator(), race)
        write_json(kept["ours"], race.judgements)
    if config.arm != "ours":
        minutes = config.minutes or config.patience * soonest(json.loads(kept["ours"].read_text()))
        race = Race("baseline", judge)
        learn_baseline(cohort, minutes, race)
        write_json(kept["baseline"], race.judgements)
    if not all(path.exists() for path in kept.values()):
        return  # the other arm runs elsewhere, and has not ended
    arms = {arm: json.loads(path.read_text()) for arm, path in kept.items()}
    note = (
        f"{len(cohort.rows('train')):_} people to train on, {len(judge.patients)} to judge, {config.samples} hearts "
        f"each; minutes of CPU time on the cores given to an arm.\n"
        f"Information kept {KEPT_GOAL} of {' and '.join(RACED)}: {verdict(**arms)}"
    )
    record = arms | {
        "times_sooner": soonest(arms["baseline"]) / soonest(arms["ours"]),
        "reached": {arm: any(map(reached, judgements)) for arm, judgements in arms.items()},
    }
    tables = {"Minutes to quality": result_rows(arms)}
    write_tables(config.results, "race_to_quality", described(torch.device("cpu")), tables, note, record)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
