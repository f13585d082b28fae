"""Hearts with their label maps as arrays, in parts that are whole or absent: what a segmenter learns from.

    <folder>/hearts.json                what they were made from, and of which kind each is
    <folder>/part_00000/images.npy      (hearts, slices, frames, height, width) uint8
    <folder>/part_00000/labels.npy      the same shape, numbers of `Label`
    <folder>/part_00000/acquired.npy    (hearts, slices) bool: False where the acquisition has no slice

The kinds take turns, heart by heart.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.disk import remove_unfinished, whole_folder, write_json, writing
from cohort.errors import InputError

ABOUT = "hearts.json"
LEARNED_FROM, CHOSEN_BY = "hearts", "unseen_hearts"  # the two folders of a training
HEARTS_PER_PART = 20
ARRAYS = ("images", "labels", "acquired")
DRAW_AGAIN = "delete that folder; the same command draws its hearts again"


@dataclass(frozen=True, eq=False)
class LabelledHeart:
    """One heart.

    Attributes:
        images: (slices, frames, height, width) uint8 grey levels. labels: the same shape, uint8 of `Label`.
        acquired: (slices,) bool, False where the acquisition has no slice.
    """

    images: np.ndarray
    labels: np.ndarray
    acquired: np.ndarray


class LabelledHearts(Sequence):
    """The hearts of a folder, memory-mapped.

    Args:
        folder: as `write_part` and hearts.json leave it, complete.

    Raises:
        InputError: a part is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            self.count = int(self.about["hearts"])
            parts = [part_folder(folder, number) for number in range(parts_of(self.count))]
            self._parts = [[np.load(part / f"{name}.npy", mmap_mode="r") for name in ARRAYS] for part in parts]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(folder, "lacks a part of its hearts, or it is damaged", DRAW_AGAIN) from error

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> LabelledHeart:
        if not 0 <= number < self.count:
            raise IndexError(number)
        part, row = divmod(number, HEARTS_PER_PART)
        return LabelledHeart(*(array[row] for array in self._parts[part]))

    def kind(self, number: int) -> str:
        """The name of a heart's kind: they take turns."""
        kinds = self.about["kinds"]
        return kinds[number % len(kinds)]


def claim_hearts(folder: Path, about: dict) -> None:
    """Begin a folder of hearts, or go on with it.

    Args:
        about: for hearts.json: "hearts", how many; "kinds", their names; and whatever else decides them.

    Raises:
        InputError: the folder holds hearts of another `about`, or other files.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
    note = folder / ABOUT
    try:
        there = json.loads(note.read_text(encoding="utf-8")) if note.exists() else None
    except (OSError, ValueError) as error:
        raise InputError(note, f"cannot be read ({type(error).__name__})", DRAW_AGAIN) from error
    if there is not None and there != about:
        raise InputError(folder, "holds hearts that were drawn otherwise", "give another folder, or delete it")
    write_json(note, about)


def lacking_parts(folder: Path, hearts: int) -> dict[int, range]:
    """The parts that are not there yet: number -> numbers of its hearts."""
    numbers = (number for number in range(parts_of(hearts)) if not part_folder(folder, number).exists())
    each = HEARTS_PER_PART
    return {number: range(number * each, min(hearts, (number + 1) * each)) for number in numbers}


def parts_of(hearts: int) -> int:
    """How many parts hold so many hearts."""
    return -(-hearts // HEARTS_PER_PART)


def part_folder(folder: Path, number: int) -> Path:
    """Where a part lies."""
    return folder / f"part_{number:05d}"


def write_part(folder: Path, number: int, hearts: Sequence[LabelledHeart]) -> None:
    """Write a part, whole or not at all."""
    arrays = {name: np.stack([getattr(heart, name) for heart in hearts]) for name in ARRAYS}
    with whole_folder(part_folder(folder, number), sum(array.nbytes for array in arrays.values())) as unfinished:
        for name, array in arrays.items():
            np.save(unfinished / f"{name}.npy", array)
