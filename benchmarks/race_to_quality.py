"""Minutes from scratch until the hearts keep half of what the ECG tells: this project against the field's defaults.

    python benchmarks/race_to_quality.py --data UKBB --segmenter runs/segmenter/model --ceiling PIPELINE/ceiling

Both arms learn on the same prepared cohort and are judged alike on the same validation people, by the same segmenter,
against the same ceiling; judging stops the clock. The baseline is given `--patience` times the minutes ours took.
Minutes are of CPU time over cores, so that a busy machine hurts both alike; wall minutes stand beside them. Writes
benchmarks/results/race_to_quality.json and .md. The arms may also run side by side, each on cores of its own:

    taskset -c 0 python benchmarks/race_to_quality.py --arm baseline --minutes 80 ... &
    taskset -c 1 python benchmarks/race_to_quality.py --arm ours ...
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

RACED = ("LVEDV", "LVM")
KEPT_GOAL = 0.5
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Config:
    """Race to information kept 0.5 of LVEDV and of LV mass."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/."""
    segmenter: Path = Path("runs/segmenter/model")
    """That measures both arms' hearts."""
    ceiling: Path = Path("pretrained/phantom/ceiling")
    """What ECG and person tell at all; R2 of hearts / its R2 is the information kept."""
    output: Path = Path("runs/race")
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


class Clock:
    """CPU minutes per core and wall minutes of learning; judging is not counted."""

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0
        self.resume()

    def resume(self) -> None:
        self._from = time.process_time(), time.monotonic()

    def stop(self) -> None:
        cpu, wall = self._from
        self.cpu_s += time.process_time() - cpu
        self.wall_s += time.monotonic() - wall

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.resume()

    def minutes(self) -> dict[str, float]:
        """So far, while stopped."""
        from cohort.cores import available_cores

        return {"minutes": self.cpu_s / 60 / available_cores(), "wall_minutes": self.wall_s / 60}


@dataclass(frozen=True)
class Judge:
    """Measures what an arm generates for the judging people.

    Attributes:
        patients: sampling.patients.Patient of each.
        truth, ceiling: (n, 12) PHENOTYPES, and as regressed from ECG and person.
    """

    patients: list
    truth: np.ndarray
    ceiling: np.ndarray
    segmenter: object
    geometry: object
    samples: int

    def kept(self, generate: Callable[[list, int], np.ndarray]) -> dict[str, float]:
        """Information kept of RACED.

        Args:
            generate: (patients, samples) -> hearts (n, m, slices, phases, height, width) in [0, 1].
        """
        from cohort.phenotypes import PHENOTYPES
        from evaluation.agreement import information_kept_of_many
        from evaluation.measuring import measured_phenotypes
        from evaluation.segmentation import segment

        hearts = generate(self.patients, self.samples)
        found = np.array(
            [[measured_phenotypes(segment(self.segmenter, h)[0], self.geometry) for h in m] for m in hearts]
        )
        found = np.where(np.isfinite(found), found, np.nanmean(self.truth, axis=0))  # no heart to be seen: no news
        kept = {}
        for name in RACED:
            k = PHENOTYPES.index(name)
            kept[name] = information_kept_of_many(found[..., k], self.ceiling[:, k], self.truth[:, k])
        return {name: about["information_kept"] for name, about in kept.items()}


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from accelerate import Accelerator

    from benchmarks.race_arms import learn_baseline, learn_ours
    from cohort.prepared import Preparation, prepare_cohort
    from sampling.threads import share_cores
    from training.run import write_json

    share_cores(1)
    config.output.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator()
    cohort = prepare_cohort(config.data, config.prepared, Preparation())
    judge = judge_of(config, cohort)
    if config.arm != "baseline":
        place = config.output / "ours"
        ours = raced("ours", lambda seen: learn_ours(cohort, place, config.steps, accelerator, seen), judge)
        write_json(config.output / "ours.json", ours)
    if config.arm != "ours":
        limit = config.minutes or config.patience * soonest(json.loads((config.output / "ours.json").read_text()))
        write_json(
            config.output / "baseline.json", raced("baseline", lambda seen: learn_baseline(cohort, limit, seen), judge)
        )
    found = {arm: config.output / f"{arm}.json" for arm in ("ours", "baseline")}
    if all(path.exists() for path in found.values()):
        write_result(config, cohort, judge, **{arm: json.loads(path.read_text()) for arm, path in found.items()})


def judge_of(config: Config, cohort) -> Judge:
    """The judging people and how much the ceiling knows of them."""
    import torch

    from evaluation.ceiling import predict_phenotypes
    from models.segmenter import Segmenter
    from sampling.patients import prepared_patients
    from sampling.pipeline import load_part

    rows = cohort.rows("validation")[: config.people]
    patients = prepared_patients(cohort, rows)
    truth = np.asarray(cohort.phenotypes[rows], dtype=np.float64)
    ceiling = predict_phenotypes(config.ceiling, patients, torch.device("cpu"))
    segmenter = load_part(Segmenter, config.segmenter)
    return Judge(patients, truth, ceiling, segmenter, cohort.preparation.geometry, config.samples)


def raced(name: str, learn: Callable[[Callable], None], judge: Judge) -> list[dict]:
    """Learn until the goal is reached or the arm gives up; every judgement with its minutes.

    Args:
        learn: called with seen(generate, step, spent), which judges and returns whether the goal is reached; `spent` is
            what seen.spent() said when the weights were as they are judged, now if not given.
    """
    from benchmarks.race_arms import Enough

    clock, found = Clock(), []

    def seen(generate: Callable, step: int, spent: dict | None = None) -> bool:
        with clock.paused():
            found.append({"step": step, **(spent or clock.minutes()), "kept": judge.kept(generate)})
            kept = ", ".join(f"{k} {v:.2f}" for k, v in found[-1]["kept"].items())
            print(f"{name}: step {step}, {found[-1]['minutes']:.1f} min: kept {kept}", flush=True)
        return reached(found[-1])

    def spent() -> dict[str, float]:
        with clock.paused():
            return clock.minutes()

    seen.spent = spent
    with suppress(Enough):
        learn(seen)
    return found


def reached(judgement: dict) -> bool:
    """Whether it is as good as was asked for; NaN, where no two hearts differ, is not."""
    return all(kept >= KEPT_GOAL for kept in judgement["kept"].values())


def soonest(arm: list[dict]) -> float:
    """Minutes of the first judgement that reached the goal, of the last where none did."""
    return min((j["minutes"] for j in arm if reached(j)), default=max(j["minutes"] for j in arm))


def write_result(config: Config, cohort, judge: Judge, ours: list, baseline: list) -> None:
    """What is kept of the race."""
    import torch

    from benchmarks.machine import described
    from benchmarks.table import write_tables

    best = {name: any(reached(j) for j in arm) for name, arm in {"ours": ours, "baseline": baseline}.items()}
    ratio = soonest(baseline) / soonest(ours)
    said = {
        (True, True): f"{ratio:.1f} times sooner (the baseline's earlier weights, where judged, had not reached it).",
        (True, False): f"at least {ratio:.1f} times sooner: the baseline did not reach it.",
    }.get((best["ours"], best["baseline"]), "ours did not reach it: no winner.")
    rows = [
        {"arm": name, "step": j["step"], "minutes": j["minutes"], **{f"{k} kept": v for k, v in j["kept"].items()}}
        for name, arm in {"ours": ours, "baseline": baseline}.items()
        for j in sorted(arm, key=lambda j: j["minutes"])
    ]
    note = (
        f"{len(cohort.rows('train')):_} people to train on, {len(judge.patients)} to judge, {config.samples} hearts "
        f"each; minutes of CPU time on the cores given to an arm.\n"
        f"Information kept {KEPT_GOAL} of {' and '.join(RACED)}: {said}"
    )
    record = {"ours": ours, "baseline": baseline, "times_sooner": ratio, "reached": best}
    write_tables(RESULTS, "race_to_quality", described(torch.device("cpu")), {"Minutes to quality": rows}, note, record)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
