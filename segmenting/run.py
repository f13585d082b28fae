"""Many patients: each by one of several processes, those that are finished passed over, those refused told."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from cohort.cores import available_cores
from cohort.disk import remove_unfinished, writing
from cohort.errors import InputError
from cohort.lock import lock_or_refuse
from cohort.private import private
from cohort.process_pool import in_pool
from cohort.pseudonym import Naming
from cohort.table import write_table
from sampling.refused_table import said_of_refused
from sampling.release import RELEASED_SEGMENTER

from .options import SegmentOptions
from .patient import Outcome, Settings, loaded, segment_patient
from .record import write_phenotypes
from .sources import Source

REFUSED = "refused.csv"
GPU_PROCESSES = 8  # at most, of one GPU: each holds the network once more


def settings_of(options: SegmentOptions, patients: int, naming: Naming) -> tuple[Settings, int]:
    """How every patient is segmented, and by how many processes.

    Raises:
        InputError: the segmenter is refused, or there is no such device.
    """
    gpu = torch.cuda.is_available()
    if options.device == "cuda" and not gpu:
        raise InputError("--device", "torch finds no GPU", "give cpu, or install a CUDA build of torch")
    device = "cuda" if gpu and options.device != "cpu" else "cpu"
    cores = available_cores()
    processes = options.processes or (min(cores, GPU_PROCESSES) if device == "cuda" else cores)
    processes = min(processes, patients)
    folder = segmenter_folder(options.segmenter)
    settings = Settings(folder, options.output, naming, device, options.batch_size, max(1, cores // processes))
    loaded(settings.segmenter, "cpu", settings.threads)  # refused here, once, if it has to be
    return settings, processes


def segmenter_folder(named: Path | None) -> Path:
    """The folder of the segmenter named, or of the one within a pipeline; of the released one where none is named."""
    folder = named or RELEASED_SEGMENTER
    return folder / "segmenter" if (folder / "segmenter").is_dir() else folder


def outcomes(settings: Settings, sources: list[Source], processes: int) -> Iterator[Outcome]:
    """What becomes of every patient, in their order."""
    job = partial(segment_patient, settings)
    if processes == 1:
        yield from map(job, sources)
    else:
        yield from in_pool(job, sources, processes, chunksize=1)


def segment_all(options: SegmentOptions, sources: list[Source], naming: Naming) -> None:
    """Segment all patients, write the tables, and say what was done.

    Raises:
        InputError: patients were refused; a single one's own fault. Also where another command writes there.
    """
    settings, processes = settings_of(options, len(sources), naming)
    print(naming.shown(f"segmenter: {settings.segmenter} on {settings.device}, processes: {processes}"))
    alone = len(sources) == 1
    lock = lock_or_refuse(options.output / "segment", "another segment.py is writing here", "wait, or choose another")
    try:
        remove_unfinished(options.output)
        refused, before, written = [], 0, 0
        with tqdm(total=len(sources), desc="segmenting", unit="heart", disable=options.quiet or alone) as bar:
            for source, outcome in zip(sources, outcomes(settings, sources, processes), strict=True):
                bar.update()
                before += outcome.before
                written += bool(outcome.frames)
                if outcome.refusal is not None and alone:
                    raise outcome.refusal
                if outcome.refusal is not None:
                    bar.write(f"error: {outcome.refusal}")
                    said = map(naming.shown, (outcome.refusal.fault, outcome.refusal.remedy))
                    refused.append((naming.of_file(source.path, source.name), outcome.refusal.code, *said))
                elif outcome.line:
                    bar.write(outcome.line)
        rows = _write_tables(options.output, refused)
    finally:
        lock.release()
    print(naming.shown(f"segmented: {written}, finished by an earlier run: {before}; {rows} in {options.output}"))
    if refused:
        remedy = f"{options.output / REFUSED} says which and why"
        raise InputError(
            options.mri,
            said_of_refused(len(refused), len(sources), "MRIs"),
            remedy,
        )


def _write_tables(output: Path, refused: list[tuple[str, str, str, str]]) -> int:
    """The numbers of everybody in the folder, and who was refused now; returns how many rows the first has."""
    with writing(output), private():
        rows = write_phenotypes(output)
        if refused:
            write_table(output / REFUSED, ("file", "code", "fault", "remedy"), refused)
        else:
            (output / REFUSED).unlink(missing_ok=True)
    return rows
