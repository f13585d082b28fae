"""Row F: the same seed gives the same heart at any batch size and process count, and outputs say what made them.

    python tests/torture/reproducible.py [--quick] [--pipeline FOLDER] [--ecg FOLDER]

Runs the real sample.py on simulated patients. The pipeline is an untrained one of the nano size (--quick: a tiny one),
or one that is named. Prints Markdown rows; --quick leaves out two processes, the trainings and the evaluation.
"""

import argparse
import hashlib
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from tests.torture.tiny import (
    ROOT,
    TRAIN_DIFFUSION,
    command,
    files_of,
    forked,
    nano_pipeline,
    table_row,
    tiny_cohort,
    tiny_pipeline,
)

CLOSE = 1e-5  # intensities are in [0, 1]
PEOPLE, SAMPLES, STEPS = 3, 3, 4
OPTIONS = ("--samples", SAMPLES, "--steps", STEPS)
CARRIED = ("seed", "configuration_sha256", "weights_sha256", "code_version")


def sampled(work: Path, name: str, pipeline: Path, ecg: Path, *options: object) -> Path:
    """What one run of sample.py wrote."""
    where = work / name
    done = forked("sample", "--ecg", ecg, "--pipeline", pipeline, "--output", where, *OPTIONS, *options, cwd=work)
    assert done.code == 0, done.said.decode()[-3000:]
    return where


def voxels_of(folder: Path) -> dict[str, np.ndarray]:
    import nibabel

    return {
        str(path.relative_to(folder)): np.asarray(nibabel.load(path).dataobj).astype(int)
        for path in files_of(folder)
        if path.name.startswith("sa") and path.name.endswith(".nii.gz")
    }


def difference(one: Path, other: Path) -> tuple[int, float]:
    """Largest difference between two runs' voxels, in counts of 1/1000, and the share of voxels that differ."""
    a, b = voxels_of(one), voxels_of(other)
    assert a.keys() == b.keys() and a
    apart = np.concatenate([np.abs(a[name] - b[name]).ravel() for name in a])
    return int(apart.max()), float((apart > 0).mean())


def bytes_equal(one: Path, other: Path) -> tuple[int, int]:
    """How many files have equal bytes, and how many there are."""
    digests = [
        {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest() for path in files_of(folder)}
        for folder in (one, other)
    ]
    names = digests[0].keys() | digests[1].keys()
    return sum(digests[0].get(name) == digests[1].get(name) for name in names), len(names)


def same_seed(work: Path, pipeline: Path, ecg: Path) -> list[bool]:
    """Compare the files of sample.py run twice, and with other batch sizes."""
    first = sampled(work, "first", pipeline, ecg)
    equal, files = bytes_equal(first, sampled(work, "second", pipeline, ecg))
    rows = [table_row("F", "files of sample.py, the same seed twice", "bitwise", f"{equal} of {files}", equal == files)]
    for batch in (1, 2):
        most, share = difference(first, sampled(work, f"batch_{batch}", pipeline, ecg, "--batch-size", batch))
        reached = f"at most {most} count, in {share:.1e} of the voxels"
        rows.append(table_row("F", f"voxels of sample.py, batch 8 and {batch}", "1 count of 1000", reached, most <= 1))
    other = difference(first, sampled(work, "other_seed", pipeline, ecg, "--seed", 1))[0]
    rows.append(table_row("F", "another seed is another heart", "more than 20 counts", other, other > 20))
    return rows


def batches(pipeline: Path, ecg: Path) -> list[bool]:
    """Compare floating-point hearts, before rounding, over batches, order and threads."""
    import torch

    from cohort.person import Person
    from sampling.patients import generate, read_patient
    from sampling.pipeline import ECGToMRIPipeline

    loaded = ECGToMRIPipeline.load(pipeline)
    loaded.set_progress_bar_config(disable=True)
    patients = [read_patient(path, loaded, Person()) for path in sorted(ecg.iterdir())]

    def hearts(people: list, batch: int) -> dict[str, np.ndarray]:
        return {p.name: made for p, made in generate(loaded, people, SAMPLES, seed=0, batch_size=batch, steps=STEPS)}

    reference = hearts(patients, 1)
    again = hearts(patients, 1)
    equal = all(np.array_equal(again[name], reference[name]) for name in reference)
    rows = [table_row("F", "the same call twice in one process", "bitwise", "equal" if equal else "not equal", equal)]

    def compare(what: str, found: dict[str, np.ndarray]) -> None:
        apart = max(float(np.abs(found[name] - reference[name]).max()) for name in found)
        rows.append(table_row("F", what, f"{CLOSE:g}", f"{apart:.1e}", apart <= CLOSE))

    for batch in (2, 8):
        compare(f"hearts of batch 1 and {batch}", hearts(patients, batch))
    compare("the same patients in another order, one left out", hearts(patients[:0:-1], 8))
    torch.set_num_threads(2)
    compare("1 and 2 threads", hearts(patients, 1))
    return rows


def save_and_load(work: Path, pipeline: Path, ecg: Path) -> bool:
    """Loaded, saved, loaded again: the same weights' sha256 and the same files."""
    from sampling.pipeline import ECGToMRIPipeline, weights_sha256

    copy = work / "saved_again" / "pipeline"
    copy.parent.mkdir()
    ECGToMRIPipeline.load(pipeline).save(copy)
    for part in ("segmenter", "training.json"):  # travel beside the pipeline
        if (pipeline / part).is_dir():
            shutil.copytree(pipeline / part, copy / part)
    same = weights_sha256(copy) == weights_sha256(pipeline)
    equal = difference(work / "first", sampled(work, "reloaded", copy, ecg)) == (0, 0.0)
    reached = f"weights {'equal' if same else 'differ'}, voxels {'equal' if equal else 'differ'}"
    return table_row("F", "save and load", "bitwise", reached, same and equal)


def two_processes(work: Path, pipeline: Path, ecg: Path) -> bool:
    """torchrun, like `accelerate launch --num_processes 2` on one machine; `accelerate launch --cpu` starts one."""
    where = work / "two"
    words = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", ROOT / "sample.py", "--ecg", ecg)
    options = ("--pipeline", pipeline, "--output", where, *OPTIONS)
    done = command(sys.executable, *words, *options, cwd=work, ACCELERATE_USE_CPU="1")
    assert done.code == 0, done.said.decode()[-3000:]
    most, share = difference(work / "first", where)
    reached = f"at most {most} count, in {share:.1e} of the voxels"
    return table_row("F", "voxels of sample.py, 1 and 2 processes", "1 count of 1000", reached, most <= 1)


# ---- What made it ----


def train_and_measure(work: Path) -> None:
    """A training and an evaluation of a few steps each, for their records."""
    data, unseen = tiny_cohort(work / "UKBB"), tiny_cohort(work / "unseen", 4, seed=5)
    done = [forked("train_diffusion", "--data", data, *TRAIN_DIFFUSION, cwd=work)]
    measured = ("--training-data", data, "--split", "all", "--samples", 2, "--steps", 1)
    done.append(forked("evaluate_samples", "--data", unseen, *measured, cwd=work))
    for one in done:
        assert one.code == 0, one.said.decode()[-3000:]


def records(work: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(output, its text in lower case with "_" for spaces, the words it should hold)."""
    yield "heart.json", _words(next((work / "first").glob("*/heart.json"))), CARRIED
    if not (work / "runs").exists():
        return
    without_weights = ("seed", "configuration_sha256", "code_version")
    for stage in (
        "autoencoder",
        "segmenter",
        "diffusion",
        "diffusion/ceiling",
        "diffusion/condition",
        "diffusion/prior",
    ):
        run = work / "runs" / stage
        told = _words(run / "config.json") + _words(run / "environment.json")
        yield f"{stage}: config.json and environment.json", told, without_weights
    pipeline = work / "runs" / "diffusion" / "pipeline"
    yield "the pipeline's training.json", _words(pipeline / "training.json"), without_weights
    yield "the pipeline's model card", _words(pipeline / "README.md"), CARRIED
    yield "report.json", _words(next((work / "report").glob("*/*/report.json"))), CARRIED
    yield "a phantom cohort's cohort.json", _words(work / "UKBB" / "cohort.json"), without_weights
    prepared = next((work / "runs" / "prepared").glob("*/prepared.json"))
    yield "prepared.json", _words(prepared), ("configuration_sha256", "code_version")


def _words(path: Path) -> str:
    return path.read_text(encoding="utf-8").lower().replace(" ", "_")


def carried(work: Path) -> list[bool]:
    rows = []
    for name, told, wanted in records(work):
        lacking = [key for key in wanted if key not in told]
        reached = "all" if not lacking else f"lacks {', '.join(lacking)}"
        rows.append(table_row("F", f"{name} carries {', '.join(wanted)}", "all", reached, not lacking))
    return rows


def hashes_tell(work: Path) -> bool:
    """Another option or another configuration of the pipeline gives another configuration_sha256."""
    found = [json.loads(next((work / run).glob("*/heart.json")).read_text()) for run in ("first", "other_seed")]
    different = found[0].get("configuration_sha256") != found[1].get("configuration_sha256")
    same = found[0]["weights_sha256"] == found[1]["weights_sha256"]
    reached = f"{'another' if different else 'the same'}, weights' {'the same' if same else 'another'}"
    return table_row(
        "F", "configuration hash of another seed", "another, weights' the same", reached, different and same
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pipeline", type=Path)
    parser.add_argument("--ecg", type=Path, help="folder of a few ECGs; simulated ones if not given")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="reproducible-"))
    os.environ["TMPDIR"] = str(work)
    for name in (
        "accelerate",
        "tqdm",
        "sampling.grid",
        "sampling.patients",
        "evaluation.measuring",
        "sampling.threads",
    ):
        importlib.import_module(name)
    try:
        small = work / "untrained" / "pipeline"
        pipeline = options.pipeline or (tiny_pipeline(small) if options.quick else nano_pipeline(small))
        ecg = options.ecg or tiny_cohort(work / "people", PEOPLE) / "ecg"
        pipeline, ecg = pipeline.resolve(), ecg.resolve()
        met = same_seed(work, pipeline, ecg)
        met += [save_and_load(work, pipeline, ecg), *([] if options.quick else [two_processes(work, pipeline, ecg)])]
        if not options.quick:
            train_and_measure(work)
        met += [hashes_tell(work), *carried(work)]
        return int(
            not all([*met, *batches(pipeline, ecg)])
        )  # last, as it computes with two threads, after which nothing may fork
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
