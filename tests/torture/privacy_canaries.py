"""Row E1: strings that name patients go into every command and every failure, and none may come out.

    python tests/torture/privacy_canaries.py [--quick]

A cohort of phantoms gets names, birth dates, addresses and comments wherever ECG and MRI files can hold them. Then all
commands and all failures that can be provoked run with verbose logging and tracebacks. Everything they print or write
is searched, compressed or not. Prints Markdown rows. --quick leaves out the trainings and the evaluation.
"""

import argparse
import faulthandler
import importlib
import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.torture import canaries, damaged
from tests.torture.tiny import (
    FEW_STEPS,
    ROOT,
    TRAIN_DIFFUSION,
    Done,
    command,
    files_of,
    forked,
    table_row,
    tiny_cohort,
    tiny_pipeline,
)

LAUNCH = ("accelerate.commands.launch", "--num_processes=1", "--num_machines=1", "--mixed_precision=no")
LAUNCH += ("--dynamo_backend=no",)
FEW_DRAWS = ("--samples", "2", "--steps", "1")
LOUD = {  # as talkative as Python and the libraries can be made
    "PYTHONFAULTHANDLER": "1",
    "PYTHONWARNINGS": "always",
    "DIFFUSERS_VERBOSITY": "debug",
    "ACCELERATE_LOG_LEVEL": "DEBUG",
    "ACCELERATE_ENABLE_RICH": "1",
    "ACCELERATE_USE_CPU": "1",
    "HF_DEBUG": "1",
    "TORCH_SHOW_CPP_STACKTRACES": "1",
}
HEAVY = ("accelerate", "tqdm", "sampling.grid", "sampling.patients", "sampling.true_heart", "evaluation.certainty")
HEAVY += ("evaluation.measuring", "evaluation.calibration", "wfdb", "nibabel", "PIL.Image", "sampling.threads")


class Stage:
    """The working folder: in/ holds the input, everything else is output."""

    def __init__(self, work: Path) -> None:
        self.work, self.given = work, work / "in"
        self.said: dict[str, bytes] = {}
        self.unexpected: list[str] = []
        self.failures = 0
        for name in ("in", "tmp", "home", "loud"):
            (work / name).mkdir(parents=True)
        (work / "loud" / "sitecustomize.py").write_text("import logging\nlogging.basicConfig(level=0)\n")
        os.environ["TMPDIR"] = str(work / "tmp")  # of this process and of all it starts
        tempfile.tempdir = None

    def keep(self, title: str, done: Done, fails: bool) -> None:
        """Note what a command printed, and whether it ended as it should."""
        self.said[title] = done.said
        self.failures += fails
        if fails == (done.code == 0):
            self.unexpected.append(f"{title} (exit {done.code})")

    def fork(self, title: str, script: str, *arguments: object, fails: bool = False, before=None, loud=True) -> None:
        """Run a script in a fork of this process; words drawn into pictures count as output, too."""
        done = forked(script, *arguments, cwd=self.work, before=lambda: (_tell(loud), before and before()))
        self.keep(title, done, fails)

    def start(self, title: str, *words: object, fails: bool = False) -> None:
        """Run `python -m words...` in a process of its own, loudly."""
        places = {"PYTHONPATH": f"{ROOT}:{self.work / 'loud'}", "HOME": str(self.work / "home")}
        done = command(sys.executable, "-m", *words, cwd=self.work, **LOUD, **places)
        self.keep(title, done, fails)

    def found(self) -> dict[str, set[str]]:
        """Where a canary came out: in what was printed, or in a file that was written."""
        spoken = {title: where for title, said in self.said.items() if (where := canaries.hits(said))}
        written = [path for path in files_of(self.work) if not path.is_relative_to(self.given)]
        return spoken | canaries.found_in(written, self.work)


def _tell(loud: bool) -> None:
    """Print what is drawn into pictures, and the debug messages of libraries if `loudly`."""
    from PIL import ImageDraw

    draw = ImageDraw.ImageDraw.text
    ImageDraw.ImageDraw.text = lambda self, at, text, *rest, **more: (print(text), draw(self, at, text, *rest, **more))
    faulthandler.enable()
    if loud:
        logging.basicConfig(level=0, force=True)
        warnings.simplefilter("always")
        importlib.import_module("diffusers").logging.set_verbosity_debug()


# ---- What is given ----


def give(stage: Stage, subjects: int) -> None:
    """Planted ECGs, MRIs and tables, whole and damaged."""
    from cohort.ecg import LEADS, read_ecg

    data = tiny_cohort(stage.given / "UKBB", subjects)
    canaries.plant_cohort(data)
    good = next((data / "ecg").glob("*.xml"))
    ecg = read_ecg(good)
    rate = round(ecg.sampling_rate)
    (stage.given / "other").mkdir()
    (stage.given / "other" / "muse.xml").write_bytes(canaries.planted_muse(ecg.signal, rate))
    canaries.write_planted_wfdb(stage.given / "other", "record", ecg.signal, rate, LEADS)
    image = next((data / "NIFTI").rglob("sa_ED.nii.gz")).read_bytes()
    kinds = {
        "ecgs": damaged.damaged_ecgs(good.read_bytes(), ecg.signal, rate),
        "niftis": ((f"{what}.nii.gz", content) for what, content in damaged.damaged_niftis(image)),
        "tables": ((f"{what}.csv", content) for what, content in damaged.damaged_persons(_text(data / "persons.csv"))),
    }
    for kind, files in kinds.items():
        (stage.given / kind).mkdir()
        for name, content in files:
            (stage.given / kind / name).write_bytes(content)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# ---- What is done ----


def sample_all(stage: Stage, pipeline: Path) -> None:
    """Good files of every format through the report and through sample.py."""
    data = stage.given / "UKBB"
    stage.start("cohort.report", "cohort.report", "--data", data, "--full")
    options = ("--pipeline", pipeline, "--mri", data, "--persons", data / "persons.csv", *FEW_DRAWS)
    stage.fork("sample", "sample", "--ecg", data / "ecg", *options)
    other = ("--pipeline", pipeline, "--output", "other", *FEW_DRAWS)
    stage.fork("sample, other formats", "sample", "--ecg", stage.given / "other" / "muse.xml", *other)
    stage.fork("sample, WFDB", "sample", "--ecg", stage.given / "other" / "record.hea", *other)


def fail_to_sample(stage: Stage, pipeline: Path, quick: bool) -> None:
    """Damaged ECGs, MRIs and tables, wrong options, faults of ours, and sudden ends."""
    good = next((stage.given / "UKBB" / "ecg").glob("*.xml"))
    one = ("--ecg", good, "--pipeline", pipeline, "--output", "failed", *FEW_DRAWS)
    many = ("--ecg", stage.given / "ecgs", "--pipeline", pipeline, "--output", "failed", *FEW_DRAWS)
    stage.fork("damaged ECGs", "sample", *many, "--sampling-rate", 500, fails=True)
    stage.fork("damaged ECGs, some leads", "sample", *many, "--allow-missing-leads", fails=True)
    for path in _some(sorted((stage.given / "niftis").iterdir()), 3 if quick else None):
        stage.fork(f"damaged MRI, {path.name}", "sample", *one, "--mri", path, fails=True)
    for path in _some(sorted((stage.given / "tables").iterdir()), 3 if quick else None):
        stage.fork(f"damaged table, {path.name}", "sample", *one, "--persons", path, fails=True)
    (stage.work / "occupied").write_text("")
    stage.fork("output is a file", "sample", *one, "--output", "occupied", fails=True)
    stage.fork("no such pipeline", "sample", *one, "--pipeline", "nowhere", fails=True)
    lines = _lines_of(stage, "sample", one)
    stage.fork("a sudden end", "sample", *one, fails=True, before=lambda: _break(lines // 2, _end_suddenly))
    for k in range(1, 4 if quick else 31):
        at = lines * k // (4 if quick else 31)
        stage.fork(f"a fault at line {at} of {lines}", "sample", *one, fails=True, before=lambda at=at: _break(at))


def _some(paths: list[Path], count: int | None) -> list[Path]:
    return paths if count is None else paths[:: -(-len(paths) // count)]


def _end_suddenly() -> None:
    faulthandler.dump_traceback_later(0.001, exit=True)
    time.sleep(60)


def _raise() -> None:
    raise MemoryError("provoked")


def _counting(at: int, note: Path | None, fault: Callable = _raise) -> Callable:
    """A tracer of the lines of cohort/ and sampling/: raises a fault at one of them, or counts them."""
    rooms, seen = (str(ROOT / "cohort"), str(ROOT / "sampling")), 0

    def trace(frame, event: str, _argument):
        nonlocal seen
        if not frame.f_code.co_filename.startswith(rooms):
            return None
        if event == "line":
            seen += 1
            if note:
                note.write_text(str(seen)) if seen % 50 == 0 else None
            elif seen == at:
                fault()
        return trace

    return trace


def _break(at: int, fault: Callable = _raise) -> None:
    sys.settrace(_counting(at, None, fault))


def _lines_of(stage: Stage, script: str, arguments: tuple) -> int:
    """How many lines of our code a run passes."""
    note = stage.work / "lines"
    forked(script, *arguments, cwd=stage.work, before=lambda: sys.settrace(_counting(0, note)))
    shutil.rmtree(stage.work / "failed", ignore_errors=True)
    return int(note.read_text())


def train_all(stage: Stage) -> Path:
    """Run each training and the evaluation once, as a user does; returns the trained pipeline's folder."""
    data, unseen = stage.given / "UKBB", stage.given / "unseen"
    canaries.plant_cohort(tiny_cohort(unseen, 4, seed=5))
    tools = {
        name: ROOT / f"{name}.py" for name in ("train_autoencoder", "train_segmenter", "train_diffusion", "sample")
    }
    stage.start(
        "train_autoencoder", *LAUNCH, tools["train_autoencoder"], "--data", data, *FEW_STEPS, "--preset", "nano"
    )
    stage.start("train_segmenter", *LAUNCH, tools["train_segmenter"], "--data", data, *FEW_STEPS)
    more = ("--more-ecgs", unseen)
    stage.start("train_diffusion", *LAUNCH, tools["train_diffusion"], "--data", data, *more, *TRAIN_DIFFUSION)
    pipeline = stage.work / "runs" / "diffusion" / "pipeline"
    stage.fork("train_ceiling", "train_ceiling", "--data", data, "--sizes", 8, before=_few_steps)
    stage.start("sample, launched", *LAUNCH, tools["sample"], "--ecg", data / "ecg", "--output", "launched", *FEW_DRAWS)
    measured = ("--data", unseen, "--training-data", data, "--split", "all", *FEW_DRAWS)
    stage.start("evaluate_samples", *LAUNCH, ROOT / "evaluate_samples.py", *measured)
    if (ROOT / "distil.py").exists():
        few = ("--pairs", "6", "--optimiser-steps", "2", "--hearts-per-batch", "2", "--teacher-steps", "3")
        stage.start("distil", *LAUNCH, ROOT / "distil.py", "--data", data, *few)
    return pipeline


def _few_steps() -> None:
    module = importlib.import_module("training.learning_curve")
    module.STEPS_FLOOR, module.EPOCHS = 2, 0


def fail_to_train(stage: Stage, pipeline: Path) -> None:
    """Cohorts, runs and folders that every training or evaluation must refuse."""
    data = stage.given / "UKBB"
    bad = stage.given / "bad"
    shutil.copytree(data, bad)
    images = sorted((bad / "NIFTI").iterdir())
    for folder, path in zip(images, sorted((stage.given / "niftis").iterdir()), strict=False):
        (folder / "sa_ED.nii.gz").write_bytes(path.read_bytes())
    segmenter = ("train_segmenter", "--data", data, *FEW_STEPS)
    stage.fork("a cohort of damaged MRIs", "train_segmenter", "--data", bad, *FEW_STEPS, "--output", "bad", fails=True)
    shutil.copytree(data, stage.given / "worse")
    for path in (stage.given / "worse" / "ecg").iterdir():
        path.write_bytes(path.read_bytes()[:5000])
    worse = ("--data", stage.given / "worse", *FEW_STEPS, "--output", "worse")
    stage.fork("a cohort of damaged ECGs", "train_segmenter", *worse, fails=True)
    evaluate = ("evaluate_samples", "--data", data, "--split", "all", "--training-data", data, *FEW_DRAWS)
    stage.fork("evaluation of those who taught", *evaluate, fails=True)
    table = data / "phenotypes.csv"
    whole = table.read_text()
    table.write_text(whole.replace("\n", f",note\n{canaries.CANARIES['CSV column']}", 1))
    stage.fork("a damaged phenotypes.csv", *segmenter, "--output", "other", fails=True)
    table.write_text(whole)
    stage.fork("evaluation of those who taught, copied since", *evaluate, fails=True)
    stage.fork("another configuration", *segmenter, "--seed", 1, fails=True)
    stage.fork("a loss that is not finite", *segmenter, "--learning-rate", 1e38, "--output", "nan", fails=True)
    for path in files_of(stage.work / "runs" / "segmenter" / "checkpoints"):
        path.write_bytes(path.read_bytes()[:-7])
    stage.fork("damaged checkpoints", *segmenter, fails=True)
    weights = pipeline / "denoiser" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    launched = ("--ecg", data / "ecg", "--pipeline", pipeline, *FEW_DRAWS)
    stage.start("damaged weights, launched", *LAUNCH, ROOT / "sample.py", *launched, fails=True)
    broken = stage.given / "ecgs" / "sample.xml"
    stage.start("a damaged ECG, launched", *LAUNCH, ROOT / "sample.py", "--ecg", broken, *FEW_DRAWS, fails=True)


# ---- What came out ----


def eids_in(paths: list[Path], base: Path, said: bytes = b"") -> dict[str, set[str]]:
    """Files in which the phantoms' eids stand, and the screen if they stand there."""
    sought = {str(9_000_000 + k).encode(): str(9_000_000 + k) for k in range(1, 40)}
    spoken = canaries.hits(said, sought)
    return canaries.found_in(paths, base, sought) | ({"screen": spoken} if spoken else {})


def handed_on(stage: Stage, pipeline: Path) -> dict[str, set[str]]:
    """eids in what may be passed on: the pipeline's folder, the report, and the notes of the trainings.

    Not searched: the cohort's own report, which lists them on purpose, and what lies beside the prepared arrays.
    """
    runs = [path for path in files_of(stage.work / "runs") if "prepared" not in path.parts]
    report = [path for path in files_of(stage.work / "report") if "cohort" not in path.parts]
    return eids_in([*runs, *report, *files_of(pipeline)], stage.work)


def pseudonymous(stage: Stage, pipeline: Path) -> dict[str, set[str]]:
    """eids in what `sample.py --pseudonymise` writes, prints and draws, refused files included.

    Debug logs are off here: the library that opens WFDB headers would print their paths.
    """
    key = stage.work / "key"
    key.touch(0o600)
    key.write_bytes(os.urandom(32))
    folder = stage.given / "some"
    shutil.copytree(stage.given / "UKBB" / "ecg", folder)
    broken = sorted(folder.iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:3000])
    record = stage.given / "other" / "record.hea"  # its signals are named by what is not there
    (folder / "9000031_20205_2_0.hea").write_text(_text(record).replace("record", "9000031_20205_2_0"))
    options = ("--pipeline", pipeline, "--mri", stage.given / "UKBB", "--output", "hidden", *FEW_DRAWS)
    stage.fork("sample, pseudonyms", "sample", "--ecg", folder, "--pseudonymise", key, *options, fails=True, loud=False)
    made = len(list((stage.work / "hidden").glob("*/heart.json")))
    said = stage.said["sample, pseudonyms"]
    found = eids_in(files_of(stage.work / "hidden"), stage.work, said)
    shown = all(folder.name.encode() in said for folder in (stage.work / "hidden").glob("*/"))
    return found if made and shown else {"no pseudonym was written or said": set()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in and leave as it is")
    options = parser.parse_args()
    work = options.keep or Path(tempfile.mkdtemp(prefix="canaries-"))
    try:
        return int(not all(rows(Stage(work), options.quick)))
    finally:
        if not options.keep:
            shutil.rmtree(work)


def rows(stage: Stage, quick: bool) -> list[bool]:
    for name in HEAVY:
        importlib.import_module(name)
    seen = canaries.search_works(stage.given / "search")
    give(stage, 4 if quick else 18)
    given = set().union(*canaries.found_in(files_of(stage.given / "UKBB", stage.given / "other"), stage.given).values())
    pipeline = tiny_pipeline(stage.work / "untrained" / "pipeline") if quick else train_all(stage)
    sample_all(stage, pipeline)
    by_name = pseudonymous(stage, pipeline)
    fail_to_sample(stage, pipeline, quick)
    on = {} if quick else handed_on(stage, pipeline)
    if not quick:
        fail_to_train(stage, pipeline)
    found = stage.found()
    print("\n".join([*(f"{k}: {sorted(v)}" for k, v in {**found, **by_name, **on}.items()), *stage.unexpected]))
    runs, written = len(stage.said), sum(not p.is_relative_to(stage.given) for p in files_of(stage.work))
    total = len(canaries.CANARIES)
    return [
        table_row(
            "E1", "the search finds what was planted, by kind of file", "all", _of(seen.values()), all(seen.values())
        ),
        table_row("E1", "strings the input holds", "all, at least 20", f"{len(given)} of {total}", len(given) == total),
        table_row(
            "E1",
            f"strings in {written} files and the output of {runs} runs, {stage.failures} of them failures",
            "0",
            sum(map(len, found.values())),
            not found,
        ),
        table_row("E1", "runs that ended otherwise than they should", "0", len(stage.unexpected), not stage.unexpected),
        table_row("E1", "eids in what `--pseudonymise` writes and says", "0", len(by_name), not by_name),
        *([] if quick else [table_row("E1", "eids in pipeline, model card, report", "0", len(on), not on)]),
    ]


def _of(met) -> str:
    return f"{sum(met)} of {len(met)}"


if __name__ == "__main__":
    sys.exit(main())
