"""Rows C3, C4 and C5: the peak memory of sample.py on a CPU, and work whose length must not decide it.

python tests/torture/memory.py            # 5,000 steps; 1 ECG and a folder of 4; a folder of 20,000
python tests/torture/memory.py --quick    # 400 steps, within 10 %; 1 ECG; a folder of 100
python tests/torture/memory.py --folders-only    # C5 alone
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from _tiny_training import ROOT, fork, row

from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import FIRST_EID, write_cohort
from tests.torture.tiny import tiny_pipeline

FEW_ECGS, MANY_ECGS, MOST_MORE_MEGABYTES = {True: 20, False: 100}, {True: 100, False: 20_000}, 100
MOST_MEGABYTES, MOST_PERCENT, QUICK_PERCENT = 2000, 3.0, 10.0
LOOK_EVERY = 50  # steps
PEAK_OF = """import resource, subprocess, sys  # a small process: what starts another lends it the peak of its own
code = subprocess.call(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""


def untrained_pipeline(folder: Path) -> None:
    """A nano pipeline of full size, segmenter included: training changes no tensor's size."""
    import torch

    from cohort.heart_grid import GridGeometry
    from cohort.phenotypes import PHENOTYPES
    from models.autoencoder import SliceAutoencoder
    from models.conditioning import HeartConditioner
    from models.denoiser import HeartDenoiser
    from models.ecg_encoder import ECGEncoder
    from models.heart_prior import HeartPrior
    from models.presets import PRESETS
    from models.segmenter import Segmenter
    from sampling.pipeline import ECGToMRIPipeline
    from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler

    nano, geometry, count = PRESETS["nano"], GridGeometry(), len(PHENOTYPES)
    statistics = {"phenotype_mean": (0.0,) * count, "phenotype_std": (1.0,) * count}
    conditioner = HeartConditioner(nano.ecg_width, tuple(PHENOTYPES), components=24, **statistics)
    autoencoder = SliceAutoencoder(nano.autoencoder_width)
    channels, side = autoencoder.config.latent_channels, autoencoder.downsampling
    autoencoder.set_latent_statistics(torch.zeros(channels), torch.ones(channels))
    size = (geometry.height // side, geometry.width // side)
    pipeline = ECGToMRIPipeline(
        ECGEncoder(width=nano.ecg_width, layers=nano.ecg_layers, heads=nano.ecg_heads),
        conditioner,
        HeartPrior(conditioner.code_length, conditioner.summary_length),
        HeartDenoiser(channels, size, nano.ecg_width, conditioner.condition_length, nano.denoiser_widths),
        autoencoder,
        make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(geometry),
        ecg_limits=[[0.0, 20.0]] * 12,
    )
    pipeline.save(folder, {"segmenter": Segmenter()})


def sampling_peak(place: Path, ecg: Path, *options: object) -> float:
    """Peak memory in MB of sample.py with the pipeline of `place`; its output goes to out_<name of the ECGs> there."""
    out = place / f"out_{ecg.name}"
    command = [ROOT / "sample.py", "--ecg", ecg, "--pipeline", place / "pipeline", "--output", out, *options]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "1", "HF_HUB_OFFLINE": "1"}
    with out.with_suffix(".log").open("w") as log:
        started = [sys.executable, "-c", PEAK_OF, sys.executable, *map(str, command)]
        done = subprocess.run(started, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    assert done.returncode == 0, out.with_suffix(".log").read_text()
    return int(done.stdout) * 1024 / 1e6


def sampled(place: Path, quick: bool) -> bool:
    untrained_pipeline(place / "pipeline")
    write_cohort(place / "UKBB", CohortPlan(seed=3, subjects=4), processes=1)
    one = sorted((place / "UKBB" / "ecg").glob("*.xml"))[0]
    met = True
    for name, ecg in (("1 ECG", one), *([] if quick else [("a folder of 4 ECGs", place / "UKBB" / "ecg")])):
        peak = sampling_peak(place, ecg)
        what = f"sample.py on a CPU, nano, {name}, 4 samples each"
        met &= row("C3", what, f"under {MOST_MEGABYTES} MB", f"{peak:.0f} MB at its peak", peak < MOST_MEGABYTES)
    return met


def linked_ecgs(folder: Path, source: Path, count: int) -> Path:
    """A folder of so many ECGs under eids of their own; all are links to the few files of `source`."""
    folder.mkdir()
    few = sorted(source.glob("*.xml"))
    for index in range(count):
        os.link(few[index % len(few)], folder / f"{FIRST_EID + index}_20205_2_0.xml")
    return folder


def many_ecgs(place: Path, quick: bool) -> bool:
    """C5: sample.py keeps no more of many ECGs than of few."""
    tiny_pipeline(place / "pipeline")
    write_cohort(place / "few", CohortPlan(seed=3, subjects=4, ecg_only=True), processes=1)
    options = ("--samples", 1, "--steps", 1)
    less, count = FEW_ECGS[quick], MANY_ECGS[quick]
    peaks, seconds = [], 0.0
    for ecgs in (less, count):
        begun = time.monotonic()
        linked = linked_ecgs(place / str(ecgs), place / "few" / "ecg", ecgs)
        peaks.append(sampling_peak(place, linked, *options))
        seconds = time.monotonic() - begun
        records = sum(1 for _ in (place / f"out_{ecgs}").glob("*/heart.json"))
        assert records == ecgs, f"{records} of {ecgs} patients have a heart"
    few, many = peaks
    what = f"sample.py over {count:,} ECGs, one sample and one step each, tiny pipeline"
    target = f"at most {MOST_MORE_MEGABYTES} MB above {less} ECGs"
    reached = f"{many:.0f} MB, {many - few:+.0f} MB above {few:.0f}, in {seconds:.0f} s"
    return row("C5", what, target, reached, many - few <= MOST_MORE_MEGABYTES)


def growth_percent(folder: Path, steps: int, warm: int) -> tuple[float, float]:
    """Growth of a training's resident memory after `warm` steps, in %, and its size at that step, in MB."""
    seen = folder.with_name("memory.txt")

    def look(step: int, rank: int) -> None:
        if step % LOOK_EVERY == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            with seen.open("a") as file:
                file.write(f"{step} {pages * os.sysconf('SC_PAGE_SIZE') / 1e6}\n")

    started = fork(folder, steps=steps, checkpoint_every=steps // 10, evaluate_every=steps // 20, at_step=look)
    assert started.code(3600) == 0, started.said()
    megabytes = [float(line.split()[1]) for line in seen.read_text().splitlines()]
    before, after = megabytes[warm // LOOK_EVERY], max(megabytes[warm // LOOK_EVERY :])
    return 100 * (after / before - 1), before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folders-only", action="store_true", help="C5 alone")
    options = parser.parse_args()
    if options.folders_only:
        with tempfile.TemporaryDirectory() as name:
            return 0 if many_ecgs(Path(name), options.quick) else 1
    steps, warm, most = (400, 200, QUICK_PERCENT) if options.quick else (5000, 1000, MOST_PERCENT)
    with tempfile.TemporaryDirectory() as name:
        percent, megabytes = growth_percent(Path(name) / "long", steps, warm)
        what = f"{steps} steps of training, from step {warm} on ({megabytes:.0f} MB)"
        target = f"growth of resident memory at most {most:g} %"
        met = row("C4", what, target, f"{percent:.2f} %", percent <= most)
        met &= sampled(Path(name), options.quick)
    with tempfile.TemporaryDirectory() as name:
        met &= many_ecgs(Path(name), options.quick)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
