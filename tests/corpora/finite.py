"""Row A8: every number of every input as 1e300, NaN or infinity: refused in one line, or outputs that are finite."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from cohort.discovery import find_subjects
from cohort.disk import write_json
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.leads import LEADS
from cohort.person import PERSON_COLUMNS, Person
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import Preparation, read_example
from cohort.pseudonym import OWN_NAMES
from cohort.study_tables import read_persons, read_phenotypes
from evaluation.heart_sampler import HeartSampler
from sampling.options import SampleOptions
from tests.corpora.device_files import cardiosoft, muse, true_ecg, write_wfdb

VALUES = ("1e300", "nan", "inf", "-inf", "-1e300")
XML_NUMBER = re.compile(r'(?<=>)\s*-?[\d.]+(?=[<,])|(?<==")-?[\d.]+(?=")')
WORD_NUMBER = re.compile(r"(?<![\w.])-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Trial:
    """One input with one number replaced.

    Attributes:
        name: which number, and by what.
        job: uses the input; returns what is wrong, "" for nothing. It may raise InputError.
    """

    name: str
    job: Callable[[], str]

    def fault(self) -> str:
        """What is wrong; "" where the input is refused in one line, or all that comes of it is finite."""
        try:
            return self.job()
        except InputError as refusal:
            return "" if len(str(refusal).splitlines()) == 1 else f"refused in several lines: {refusal}"
        except Exception as error:  # a traceback, for a user
            return f"{type(error).__name__}: {error}"[:500]


def opened(pipeline: Path, output: Path) -> HeartSampler:
    """What sample.py makes hearts with: one heart, one step."""
    options = SampleOptions(Path(), pipeline, output, samples=2, steps=1, sampling_rate=None)
    options.require_sound()
    return HeartSampler.open(options, pipeline, OWN_NAMES, torch.device("cpu"))


def unsound(sampler: HeartSampler, ecg: Path) -> str:
    """Sample one ECG, and say what of its outputs is not finite."""
    output = sampler.options.output
    shutil.rmtree(output, ignore_errors=True)
    drawn = sampler.sample(ecg)
    for path in output.rglob("*.nii.gz"):
        image = nib.load(path)
        numbers = (np.asanyarray(image.dataobj), image.affine, image.header["pixdim"])
        if not all(np.isfinite(part).all() for part in numbers):
            return f"{path.name} is not finite"
    record = (output / drawn.name / "heart.json").read_text()
    try:
        json.loads(record, parse_constant=_refuse)
    except ValueError as error:
        return f"heart.json: {error}"
    return "" if np.isfinite(drawn.hearts).all() else "the hearts are not finite"


def _refuse(constant: str) -> None:
    raise ValueError(f"holds {constant}")


# ---- ECGs ----


def ecg_trials(sampler: HeartSampler, folder: Path) -> Iterator[Trial]:
    """Samples, rates, gains and person in every format."""
    at_500 = replace(sampler, options=replace(sampler.options, sampling_rate=500))
    demographics = "<PatientAge>61</PatientAge><Gender>MALE</Gender><HeightCM>170</HeightCM><WeightKG>70</WeightKG>"
    texts = {
        "cardiosoft.xml": cardiosoft().replace("</Age>", '</Age><Height units="CM">170</Height><Weight>70</Weight>', 1),
        "muse.xml": muse().replace("<PatientLastName>", f"{demographics}<PatientLastName>", 1),
    }
    for name, text in texts.items():
        for tag, place in first_places(text):
            for value in VALUES:
                changed = text[: place.start()] + value + text[place.end() :]
                yield Trial(f"{name} {tag} {value}", _sampling(sampler, folder / name, changed.encode("latin-1")))
    header = write_wfdb(folder)
    text = header.read_text()
    for place in chain.from_iterable(
        WORD_NUMBER.finditer(text, *span) for span in (_lines(text, 0, 3), _lines(text, 12, 14))
    ):
        for value in VALUES:
            changed = text[: place.start()] + value + text[place.end() :]
            yield Trial(f"case.hea byte {place.start()} {value}", _sampling(sampler, header, changed.encode()))
    true = true_ecg()
    rows = [",".join(LEADS), *(",".join(f"{x:.4f}" for x in row) for row in true.T)]
    for value in VALUES:
        cells = [*rows[:100], ",".join([value, *rows[100].split(",")[1:]]), *rows[101:]]
        yield Trial(f"csv cell {value}", _sampling(at_500, folder / "ecg.csv", "\n".join(cells).encode()))
        for dtype in (np.float32, np.float64):
            for where in ((3, 100), (3,), ()):
                with np.errstate(over="ignore"):
                    changed = true.astype(dtype)
                    changed[where] = float(value)
                yield Trial(f"npy {dtype.__name__} {where} {value}", _sampling(at_500, folder / "ecg.npy", changed))
        changed = replace(sampler, options=replace(sampler.options, sampling_rate=float(value)))
        yield Trial(f"--sampling-rate {value}", _sampling(changed, folder / "ecg.npy", true))


def first_places(text: str) -> Iterator[tuple[str, re.Match]]:
    """The first number of every element and attribute of an XML text, with what stands before it."""
    seen = set()
    for place in XML_NUMBER.finditer(text):
        tag = re.search(r"<[^<]*$", text[max(0, place.start() - 80) : place.start()])
        name = re.sub(r"[\d.]+$", "", tag[0].strip()) if tag else "?"
        if name not in seen and not name.startswith("<?xml"):
            seen.add(name)
            yield name, place


def _lines(text: str, first: int, last: int) -> tuple[int, int]:
    ends = [0, *(at.end() for at in re.finditer("\n", text))]
    return ends[first], ends[min(last, len(ends) - 1)]


def _sampling(sampler: HeartSampler, path: Path, content: bytes | np.ndarray) -> Callable[[], str]:
    def job() -> str:
        sampler.options.require_sound()
        np.save(path, content) if isinstance(content, np.ndarray) else path.write_bytes(content)
        return unsound(sampler, path)

    return job


# ---- Tables ----


def table_trials(sampler: HeartSampler, ecg: Path, folder: Path) -> Iterator[Trial]:
    """Every cell of a row of persons.csv and of phenotypes.csv; `ecg` is of the phantom 9000001."""
    person = dict(zip(PERSON_COLUMNS, ("9000001", "male", "61", "170", "70"), strict=True))
    measured = {"eid": "9000001"} | dict.fromkeys(PHENOTYPES, "60")
    path = folder / "table.csv"
    for value in VALUES:
        for column in person:
            yield Trial(f"persons.csv {column} {value}", _with_persons(sampler, ecg, path, person | {column: value}))
        for column in measured:
            yield Trial(f"phenotypes.csv {column} {value}", _with_phenotypes(path, measured | {column: value}))


def _with_persons(sampler: HeartSampler, ecg: Path, path: Path, row: dict[str, str]) -> Callable[[], str]:
    def job() -> str:
        _write_row(path, row)
        return unsound(replace(sampler, persons=read_persons(path)), ecg)

    return job


def _with_phenotypes(path: Path, row: dict[str, str]) -> Callable[[], str]:
    def job() -> str:
        _write_row(path, row)
        values = [value for found in read_phenotypes(path).rows.values() for value in found.values()]
        return "" if np.isfinite(np.array(values, np.float32)).all() else "a phenotype is not finite in 32 bits"

    return job


def _write_row(path: Path, row: dict[str, str]) -> None:
    path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")


# ---- MRIs ----


def nifti_trials(cohort: Path, folder: Path, geometry: GridGeometry) -> Iterator[Trial]:
    """Every number of a NIfTI's header, and voxels of an image and of its label map, of one phantom."""
    source = next(path for path in sorted((cohort / "NIFTI").iterdir()) if path.is_dir())
    shutil.copytree(cohort / "ecg", folder / "ecg")
    for stem in ("sa_ED", "seg_sa_ED"):
        image = nib.load(source / f"{stem}.nii.gz")
        voxels = np.asanyarray(image.dataobj)
        fields = [name for name in image.header if image.header.structarr[name].dtype.kind == "f"]
        for value in map(float, VALUES):
            for name in fields:
                for at in np.ndindex(image.header.structarr[name].shape):
                    header = image.header.copy()
                    with np.errstate(over="ignore"):
                        header.structarr[name][at] = value
                    content = header.binaryblock + bytes(4) + voxels.astype(voxels.dtype).tobytes(order="F")
                    yield Trial(f"{stem} {name}{list(at)} {value}", _reading(folder, source, stem, content, geometry))
            for dtype in (np.float32, np.float64):
                for every in (False, True):
                    content = _float_image(image, voxels, dtype, value, every)
                    name = f"{stem} {'all voxels' if every else 'a voxel'} {np.dtype(dtype)} {value}"
                    yield Trial(name, _reading(folder, source, stem, content, geometry))


def _float_image(image: nib.Nifti1Image, voxels: np.ndarray, dtype: type, value: float, every: bool) -> bytes:
    with np.errstate(over="ignore"):
        changed = voxels.astype(dtype)
        changed[... if every else (5, 5, 1)] = value
    return nib.Nifti1Image(changed, image.affine, dtype=dtype).to_bytes()


def _reading(folder: Path, source: Path, stem: str, content: bytes, geometry: GridGeometry) -> Callable[[], str]:
    """A job that reads the phantom with another file: it is refused, or the arrays are those of the file itself."""

    def job() -> str:
        right = _arrays_of(folder, source, geometry)
        found = _arrays_of(folder, source, geometry, f"{stem}.nii", content)
        apart = [name for name, array in found.items() if not np.array_equal(array, right[name], equal_nan=True)]
        return f"other {', '.join(apart)}" if apart else ""

    return job


def _arrays_of(
    folder: Path, source: Path, geometry: GridGeometry, name: str = "", content: bytes = b""
) -> dict[str, np.ndarray]:
    """The arrays of a phantom, one of whose files may be replaced; {} where it is refused."""
    place = folder / "NIFTI" / source.name
    shutil.rmtree(folder / "NIFTI", ignore_errors=True)
    shutil.copytree(source, place)
    if name:
        (place / f"{name}.gz").unlink()
        (place / name).write_bytes(content)
    subject = next(s for s in find_subjects(folder) if str(s.eid) == source.name)
    return read_example(Preparation(geometry), (subject, Person(), {})).arrays


# ---- Pipelines ----


def pipeline_trials(pipeline: Path, ecg: Path, folder: Path) -> Iterator[Trial]:
    """Every number of every JSON file of a pipeline's folder."""
    names = (
        "model_index.json",
        "calibration.json",
        *(f"{part.name}/config.json" for part in sorted(pipeline.iterdir())),
    )
    write_json(pipeline / "calibration.json", dict.fromkeys(PHENOTYPES, 1.0))
    for name in names:
        if not (pipeline / name).exists():
            continue
        about = json.loads((pipeline / name).read_text())
        for place in numbers_of(about):
            for value in VALUES:
                yield Trial(f"{name} {place} {value}", _opening(pipeline, folder, name, place, float(value), ecg))


def numbers_of(content: object, place: tuple = ()) -> Iterator[tuple]:
    """The place of every number of a JSON content; of a list, the first and the last one."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from numbers_of(value, (*place, key))
    elif isinstance(content, list):
        for key in sorted({0, len(content) - 1}) if content else ():
            yield from numbers_of(content[key], (*place, key))
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield place


def _opening(pipeline: Path, folder: Path, name: str, place: tuple, value: float, ecg: Path) -> Callable[[], str]:
    def job() -> str:
        changed = folder / "pipeline"
        shutil.rmtree(changed, ignore_errors=True)
        shutil.copytree(pipeline, changed)
        about = json.loads((changed / name).read_text())
        inner = about
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        (changed / name).write_text(json.dumps(about))
        return unsound(opened(changed, folder / "out"), ecg)

    return job
