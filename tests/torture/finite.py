"""Row A8: every number of every input as 1e300, NaN, infinity, minus infinity and -1e300.

    python tests/torture/finite.py            # all of them, and the options of the scripts
    python tests/torture/finite.py --quick    # every ninth, and a few options

An input is refused with one line (exit code 2), or everything that comes of it is finite. No traceback.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from cohort.heart_grid import GridGeometry
from tests.corpora.finite import (
    VALUES,
    Trial,
    ecg_trials,
    nifti_trials,
    opened,
    pipeline_trials,
    table_trials,
)
from tests.torture.tiny import FEW_STEPS, GRID, TRAIN_DIFFUSION, files_of, forked, table_row, tiny_cohort, tiny_pipeline

EVERY = 9  # a trial of so many is made in the quick form
SAMPLING = ("--guidance-scale", "--steps", "--seed", "--samples", "--batch-size", "--sampling-rate")
EVALUATION = ("--guidance-scale", "--steps", "--seed", "--samples", "--batch-size", "--subjects", "--max-bad-fraction")
TRAINING = ("--learning-rate", "--condition-dropout", "--shared-noise", "--geometry.pixel-mm", "--max-bad-fraction")
AUTOENCODER = ("--learning-rate", "--geometry.slice-step-mm", "--sampling-rate", "--steps", "--seed")
PHANTOM = ("--subjects", "--seed", "--frames")


def option_faults(work: Path, quick: bool) -> dict[str, str]:
    """What goes wrong with a number of an option, by option and value, through the scripts themselves."""
    few, out = work / "few", work / "options"
    data = ["--data", few, "--prepared", work / "arrays"]
    scripts = {
        "sample": (SAMPLING, ["--ecg", few / "ecg", "--pipeline", work / "pipeline", "--output", out]),
        "evaluate_samples": (
            EVALUATION,
            [*data, "--pipeline", work / "pipeline", "--output", out / "report", "--controls", "shuffled_ecg"],
        ),
        "train_autoencoder": (AUTOENCODER, [*data, "--output", out / "autoencoder", *FEW_STEPS]),
        "train_diffusion": (TRAINING, [*data, "--output", out / "diffusion", *TRAIN_DIFFUSION]),
        "make_phantom": (PHANTOM, ["--output", out / "phantoms", "--processes", 1]),
    }
    faults, place = {}, itertools.count()
    for script, (options, others) in scripts.items():
        for option, value in itertools.product(options, VALUES):
            if quick and (script not in ("sample", "make_phantom") or next(place) % EVERY):
                continue
            given = [word for word in others if not str(word).startswith(f"{option}=")]
            done = forked(script, *given, f"{option}={value}", cwd=work)
            said = done.said.decode(errors="replace")
            bad = "Traceback" in said or done.code not in (0, 2)
            faults[f"{script} {option} {value}"] = f"code {done.code}: {said[-800:]}" if bad else unsound_files(out)
    return faults


def unsound_files(folder: Path) -> str:
    """Which JSON file of a folder holds a number that is not finite."""
    for path in files_of(folder) if folder.exists() else ():
        if path.suffix == ".json" and any(word in path.read_text() for word in ("NaN", "Infinity")):
            return f"{path.name} holds a number that is not finite"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)  # scripts run in forks: GNU OpenMP's threads do not survive one (tiny.py)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        few, pipeline = tiny_cohort(work / "few", 3), tiny_pipeline(work / "pipeline")
        ecg = sorted((few / "ecg").glob("*.xml"))[0]
        sampler = opened(pipeline, work / "out")
        for folder in ("ecg", "tables", "mri", "changed"):
            (work / folder).mkdir()
        kinds: dict[str, Iterable[Trial]] = {
            "ECGs of every format": ecg_trials(sampler, work / "ecg"),
            "cells of tables": table_trials(sampler, ecg, work / "tables"),
            "NIfTI headers and voxels": nifti_trials(few, work / "mri", GridGeometry(**GRID)),
            "numbers of a pipeline": pipeline_trials(pipeline, ecg, work / "changed"),
        }
        met = True
        for what, trials in kinds.items():
            faults = {t.name: t.fault() for t in itertools.islice(trials, 0, None, EVERY if quick else 1)}
            met &= told(what, faults)
        met &= told("options of the scripts", option_faults(work, quick))
    return 0 if met else 1


def told(what: str, faults: dict[str, str]) -> bool:
    for name, fault in faults.items():
        if fault:
            print(f"{name}: {fault}", file=sys.stderr)
    good = sum(not fault for fault in faults.values())
    target = "refused in one line, or all that is written is finite"
    return table_row("A8", f"numbers that are none: {what}", target, f"{good} of {len(faults)}", good == len(faults))


if __name__ == "__main__":
    sys.exit(main())
