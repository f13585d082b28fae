"""Rows B5 and B2: the newest checkpoint damaged in every way we could think of, and what a checkpoint costs.

python tests/torture/checkpoints.py            # 58 damages, and the cost beside the nano denoiser's steps
python tests/torture/checkpoints.py --quick    # every twelfth damage, no cost
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _tiny_training import Started, fork, left_by, row, saved

STEPS, CRASH_AT = 12, 9  # a checkpoint every four steps: 4 and 8 are there when the run is continued
FILES = ("module.safetensors", "ema.safetensors", "optimizer.safetensors", "manifest.json")
DEFAULT_INTERVAL, MOST_PERCENT = 500, 2.0
Damage = Callable[[Path], object]


def truncated(share: float) -> Damage:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def flipped(share: float) -> Damage:
    """One bit, at this share of the file's length."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int((len(content) - 1) * share)] ^= 1
        path.write_bytes(content)

    return damage


def zeroed(path: Path) -> None:
    """Only the length is right, as after a power cut before the data were written."""
    path.write_bytes(bytes(path.stat().st_size))


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def taken_from_before(path: Path) -> None:
    shutil.copy(path.parents[1] / "step_00000004" / path.name, path)


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def in_manifest(change: Callable[[dict], object]) -> Damage:
    def damage(checkpoint: Path) -> None:
        path = checkpoint / "manifest.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return damage


def damages() -> dict[str, Damage]:
    """Name -> what to do to a checkpoint's folder."""
    ways = {
        "missing": Path.unlink,
        "emptied": lambda path: path.write_bytes(b""),
        "zeroed": zeroed,
        "grown by a byte": grown,
        "of the checkpoint before": taken_from_before,
        "a folder": replaced_by_a_folder,
        **{f"truncated to {share:.0%}": truncated(share) for share in (0.01, 0.5, 0.9)},
        **{f"with a bit flipped at {share:.0%}": flipped(share) for share in (0, 0.25, 0.5, 1)},
    }
    found = {
        f"{name} {way}": lambda checkpoint, name=name, damage=damage: damage(checkpoint / name)
        for name in FILES
        for way, damage in ways.items()
    }
    return found | {
        "a file too many": lambda checkpoint: (checkpoint / "more.safetensors").write_bytes(b""),
        "every file missing": lambda checkpoint: [path.unlink() for path in checkpoint.iterdir()],
        "manifest of another step": in_manifest(lambda m: m | {"step": 2}),
        "manifest without sums": in_manifest(lambda m: {"step": m["step"]}),
        "manifest that forgets a file": in_manifest(lambda m: m | {"sha256": dict([*m["sha256"].items()][1:])}),
        "manifest that is a list": in_manifest(lambda m: []),
    }


def crash(step: int, rank: int) -> None:
    if step == CRASH_AT:
        os._exit(9)


def continued(start: Path, folder: Path, damage: Damage, checkpoints: slice) -> Started:
    """Damage these checkpoints of a crashed run and go on with it."""
    shutil.copytree(start, folder)
    for checkpoint in saved(folder)[checkpoints]:
        damage(checkpoint)
    again = fork(folder, steps=STEPS)
    again.code()
    return again


def newest_damaged(start: Path, folder: Path, damage: Damage, expected: dict) -> str | None:
    """What went wrong with the newest checkpoint damaged, or None."""
    again = continued(start, folder, damage, slice(-1, None))
    if again.code() != 0 or "step_00000008 is damaged" not in again.said():
        return again.said()
    return None if left_by(folder) == expected else "another result"


def all_damaged(start: Path, folder: Path, damage: Damage) -> str | None:
    """What went wrong with every checkpoint damaged, or None."""
    again = continued(start, folder, damage, slice(None))
    said = again.said()
    refused = again.code() == 2 and "every checkpoint is damaged" in said and "Traceback" not in said
    return None if refused and len(saved(folder)) == 2 else said


def damaged_checkpoints(place: Path, every: int) -> bool:
    whole, start = place / "whole", place / "start"
    assert fork(whole, steps=STEPS).code() == 0
    assert fork(start, steps=STEPS, at_step=crash).code() == 9
    expected, chosen = left_by(whole), list(damages().items())[::every]
    faults = {name: newest_damaged(start, place / "run", damage, expected) for name, damage in fresh(place, chosen)}
    target = "detected, told, the one before used, sha256-equal end"
    reached = f"{sum(f is None for f in faults.values())} of {len(faults)}"
    met = row("B5", f"{len(faults)} damages of the newest checkpoint", target, reached, not any(faults.values()))
    every_one = [(name, damage) for name, damage in chosen if "of the checkpoint before" not in name][:12]
    none_left = {name: all_damaged(start, place / "run", damage) for name, damage in fresh(place, every_one)}
    reached = f"{sum(f is None for f in none_left.values())} of {len(none_left)}"
    target = "refused with code 2, nothing touched, no silent restart"
    met &= row("B5", "every checkpoint damaged", target, reached, not any(none_left.values()))
    for name, fault in (faults | none_left).items():
        if fault:
            print(name, fault[-1500:], sep=": ", file=sys.stderr)
    return met


def fresh(place: Path, chosen: list):
    """The damages one after the other, each in an empty folder."""
    for name, damage in chosen:
        shutil.rmtree(place / "run", ignore_errors=True)
        (place / "run.log").unlink(missing_ok=True)
        yield name, damage


class RandomData:
    """Stands for training.denoising.TrainingData at its usual size: 20 hearts of 3 slices, 10 s of ECG."""

    def __init__(self, code_length: int) -> None:
        from training.denoising import BatchPlan

        self.code_length, self.plan = code_length, BatchPlan(20, 3, 0.1, 0.5)

    def train_batch(self, session: object, step: int) -> tuple:
        from models.places import Places
        from training.batch import HeartBatch

        g, b, s = torch.Generator().manual_seed(step), self.plan.hearts, self.plan.slices
        shapes = {"latents": (b, s, 4, 12, 12), "ecg": (b, 12, 2500), "person": (b, 4)}
        drawn = {name: torch.randn(shape, generator=g) for name, shape in shapes.items()}
        flags = {"mask": torch.ones(b, s, dtype=torch.bool), "lead_mask": torch.ones(b, 12, dtype=torch.bool)}
        places = Places.short_axis(torch.randn(b, s, generator=g), torch.zeros(b, s))
        batch = HeartBatch(**drawn, **flags, places=places, phenotypes=torch.zeros(b, 1))
        return batch, torch.randn(b, self.code_length, generator=g), g

    def held_out_batch(self, seed: int) -> tuple:
        return self.train_batch(None, -1)

    def rows(self, session: object, step: int) -> torch.Tensor:
        return torch.arange(self.plan.hearts)


def cost(folder: Path, steps: int) -> tuple[float, float, int]:
    """Seconds of a step and of a save of the nano denoiser, and the checkpoint's bytes."""
    from accelerate import Accelerator

    from cohort.phenotypes import PHENOTYPES
    from models.code_regressor import CodeRegressor
    from models.conditioning import HeartConditioner
    from models.denoiser import HeartDenoiser
    from models.ecg_encoder import ECGEncoder
    from models.presets import PRESETS
    from training.denoising import denoising
    from training.fit import fit
    from training.recipe import Recipe
    from training.run import Run
    from training.session import Session

    nano, known = PRESETS["nano"], tuple(0.0 for _ in PHENOTYPES)
    statistics = {"phenotype_mean": known, "phenotype_std": tuple(1.0 for _ in PHENOTYPES)}
    conditioner = HeartConditioner(nano.ecg_width, tuple(PHENOTYPES), components=24, **statistics)
    regressor = CodeRegressor(
        ECGEncoder(width=nano.ecg_width, layers=nano.ecg_layers, heads=nano.ecg_heads), conditioner
    )
    denoiser = HeartDenoiser(4, (12, 12), nano.ecg_width, conditioner.condition_length, nano.denoiser_widths)
    run, data, times = Run(folder, {}), RandomData(conditioner.code_length), {"save": [], "step": []}
    save, draw, before = run.save, data.train_batch, [0.0]

    def timed_save(step: int, parts: dict) -> None:
        begun = time.perf_counter()
        save(step, parts)
        times["save"].append(time.perf_counter() - begun)
        before[0] = 0.0  # what follows is no step alone

    def timed_draw(*place: object) -> tuple:
        now = time.perf_counter()
        if before[0]:
            times["step"].append(now - before[0])
        before[0] = now
        return draw(*place)

    run.save, data.train_batch = timed_save, timed_draw
    recipe = Recipe(steps, 1e-3, checkpoint_every=4, evaluate_every=10 * steps)
    session = Session(run, recipe, Accelerator(cpu=True), seed=0)
    fit(denoising(session, denoiser, regressor, data, lambda step: None), session)
    size = sum(path.stat().st_size for path in saved(folder)[-1].iterdir())
    return (*(sorted(times[kind])[len(times[kind]) // 2] for kind in ("step", "save")), size)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        met = damaged_checkpoints(Path(name), every=12 if options.quick else 1)
        if not options.quick:
            step, save, size = cost(Path(name) / "nano", steps=25)
            percent = 100 * save / (DEFAULT_INTERVAL * step)
            reached = f"{percent:.2f} % ({save:.2f} s for {size / 1e6:.0f} MB, {step:.2f} s a step)"
            what = f"cost of a checkpoint every {DEFAULT_INTERVAL} steps, nano"
            met &= row("B2", what, f"at most {MOST_PERCENT:g} % of step time", reached, percent <= MOST_PERCENT)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
