"""The page of a folder of patients: a row for each, with a picture, its volumes and warnings, and a way to its page."""

import io
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from cohort.cine import read_nifti
from cohort.disk import write_text
from cohort.errors import InputError
from cohort.intensity import as_grey_levels
from cohort.page_template import embedded
from cohort.phases import PHASES, phase_stems
from cohort.phenotypes import TABLE
from cohort.pseudonym import Naming
from cohort.subjects import IMAGE

from .decision_rows import OF_SIMULATED, of_simulated
from .outputs import INTENSITY_MAX, PAGE, RECORD
from .page_template import part, rendered
from .red_line import RED_LINE
from .refused_table import read_refused
from .true_heart import BY_NETWORK, whose_numbers
from .unlike import NO_PHENOTYPES

INDEX = "index.html"
SHOWN = ("LVEF", "LVEDV", "LVESV", "RVEDV", "LVM")
MOST_PICTURES = 500  # of 5 kB each; a folder may hold thousands of patients


def way_to_index(output: Path) -> str:
    """The address of INDEX from a patient's page below a folder; empty where there is none."""
    return f"../{INDEX}" if (output / INDEX).is_file() else ""


@dataclass(frozen=True)
class IndexRow:
    """One patient: name, the address of the page, a picture (a data URL or empty), numbers with units, and warnings.

    Attributes:
        true: the real heart's own numbers, as many; empty where one is not known. true_word: "true" or "real".
        of_simulated: whether the numbers are of simulated patients, and not of this one.
        shared: the numbers, from 1, of warnings that stand once above the table.
    """

    name: str
    address: str
    picture: str
    numbers: list[str]
    warnings: list[str]
    true: list[str]
    of_simulated: bool
    true_word: str = "true"
    shared: tuple[int, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether a number of the real heart is known."""
        return any(self.true)


def write_index(output: Path, naming: Naming) -> int:
    """Write INDEX for all patients below a folder that have a page, and for the ECGs that its table calls refused.

    Returns:
        How many they are.
    """
    folders = sorted(path.parent for path in output.glob(f"*/{PAGE}") if not path.parent.is_symlink())
    rows = []
    for folder in folders:
        record = _record(folder)
        if record is not None:
            rows.append(_row(folder, record, naming, len(rows) < MOST_PICTURES))
    heads = [(name, TABLE[name].words) for name in SHOWN]
    rows, shared = _without_shared(rows)
    content = {"rows": rows, "shared": shared, "heads": heads, "red_line": RED_LINE, "style": part("heart_page.css")}
    content |= {"banner": OF_SIMULATED, "by_network": BY_NETWORK, "refused": _refused(output, naming)}
    write_text(output / INDEX, rendered("index_page.html", most=MOST_PICTURES, **content))
    return len(rows)


def _refused(output: Path, naming: Naming) -> list[tuple[str, str, str]]:
    """(file or pseudonym, fault, remedy) of each ECG that the table of refused ones names."""
    rows = [[naming.shown(row[key]) for key in ("file", "fault", "remedy")] for row in read_refused(output)]
    return [(Path(file).name, fault, remedy) for file, fault, remedy in rows]


def _without_shared(rows: list[IndexRow]) -> tuple[list[IndexRow], list[str]]:
    """The rows with the warnings that they alone bear, and the warnings of several rows, which `shared` counts."""
    borne = Counter(text for row in rows for text in set(row.warnings))
    shared = [text for text in dict.fromkeys(text for row in rows for text in row.warnings) if borne[text] > 1]
    number = {text: n for n, text in enumerate(shared, start=1)}
    return [
        replace(
            row,
            warnings=[text for text in row.warnings if text not in number],
            shared=tuple(sorted({number[text] for text in row.warnings if text in number})),
        )
        for row in rows
    ], shared


def _record(folder: Path) -> dict | None:
    """What heart.json says; None where there is none that can be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return record if isinstance(record["subject"], str) and isinstance(record["warnings"], list) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _row(folder: Path, record: dict, naming: Naming, pictured: bool) -> IndexRow:
    phenotypes = record.get("phenotypes") or {}
    numbers = [_number(name, (phenotypes.get(name) or {}).get("mean")) or "–" for name in SHOWN]
    measured = (record.get("true_heart") or {}).get("phenotypes") or {}
    true = [_number(name, measured.get(name)) for name in SHOWN]
    said = any(NO_PHENOTYPES in text for text in record["warnings"])
    withheld = [record["phenotypes_withheld"]] if "phenotypes_withheld" in record and not said else []
    address = f"{quote(folder.name)}/{PAGE}"
    warnings = [naming.shown(text) for text in (*withheld, *record["warnings"])]
    picture, name = _picture(folder) if pictured else "", naming.shown(record["subject"])
    word = whose_numbers((record.get("true_heart") or {}).get("measured_by")).partition(",")[0]
    return IndexRow(name, address, picture, numbers, warnings, true, of_simulated(record), word)


def _number(name: str, value: float | None) -> str:
    """A phenotype with its unit; empty where it is not known."""
    return "" if value is None else f"{value:z.{TABLE[name].digits}f} {TABLE[name].unit}"


def _picture(folder: Path) -> str:
    """The middle slice of sample 1 at ED; empty where it cannot be read."""
    stills = folder / f"{phase_stems(IMAGE)[PHASES.index('ED')]}.nii.gz"
    try:
        voxels = read_nifti(stills if stills.exists() else folder / f"{IMAGE}.nii.gz").voxels  # (x, y, z, t)
    except InputError:
        return ""
    slice_ = voxels[:, :, voxels.shape[2] // 2, 0].T / INTENSITY_MAX
    image = Image.fromarray(as_grey_levels(slice_))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return embedded(out.getvalue(), "jpeg")
