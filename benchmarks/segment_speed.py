"""What it costs to segment and measure a cine, beside the network's own forward passes, and a whole folder in frames/s.

    python benchmarks/segment_speed.py

A phantom's beat of 50 frames is written for several people. First, one process with one thread does the parts in turn.
The floor is the forward passes alone, which nobody can do without. Beside it stands the whole way from a file to a
patient's folder. Then `segment.py` takes the folder with one process a core, start and imports included. Writes
results/segment_speed.md and .json.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

TARGET = 20.0  # frames a second of two cores


@dataclass(frozen=True)
class Config:
    """Time the segmenting of phantoms."""

    people: int = 12
    """Of the folder."""
    frames: int = 50
    rounds: int = 5
    batch_size: int = 32
    """Slices at once."""
    segmenter: Path | None = None
    """The released one if not given."""
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import resource

    import torch

    from benchmarks.machine import alternated, described
    from benchmarks.segmented_beat import FLOOR, OURS, parts, write_beats
    from benchmarks.table import markdown, write_tables
    from segmenting.run import segmenter_folder

    torch.set_num_threads(1)
    device, segmenter = torch.device("cpu"), segmenter_folder(config.segmenter)
    machine = described(device)
    with TemporaryDirectory() as place:
        folder = Path(place) / "NIFTI"
        cine = write_beats(folder, config.people, config.frames)
        seconds = alternated(parts(folder, segmenter, config.batch_size), config.rounds, 1, device)
        script = Path(__file__).parents[1] / "segment.py"
        command = [sys.executable, script, "--mri", folder, "--output", Path(place) / "out", "--segmenter", segmenter]
        begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*map(str, command), "--quiet"], check=True, capture_output=True)
        wall, now = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    slices = cine.voxels.shape[2]
    rows = rows_of(seconds, config.frames)
    ratio = min(seconds[OURS]) / min(seconds[FLOOR])
    made = config.people * config.frames
    note = (
        f"A beat of {config.frames} frames of {slices} slices, {config.rounds} rounds in turn; least of the rounds. "
        f"Ours takes {ratio:.2f} times the floor. A folder of {config.people} people, {machine['cores']} processes, "
        f"start and imports included, took {wall:.1f} s: {made / wall:.1f} frames of {slices} slices a second. The "
        f"processors worked {busy:.1f} s: two that nobody shares make {2 * made / busy:.1f} (goal {TARGET:.0f})."
    )
    write_tables(config.output, "segment_speed", machine, {"one patient, one core": rows}, note)
    print(note, markdown(rows), sep="\n\n")


def rows_of(seconds: dict[str, list[float]], frames: int) -> list[dict]:
    """A row for each part: the least of its rounds, frames a second, and its ratio to the floor's, which is first."""
    floor = min(next(iter(seconds.values())))
    return [
        {
            "what": name,
            "s of processor": round(min(values), 3),
            "frames/s of a core": round(frames / min(values), 1),
            "times the floor": round(min(values) / floor, 2),
        }
        for name, values in seconds.items()
    ]


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
