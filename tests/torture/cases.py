"""Rows I: the faulty inputs of a folder, one case after the other: what is expected of each, and what is found.

    python tests/torture/cases.py FOLDER

A case is a folder of FOLDER, named as in CASES, with a README that says what is wrong with it. The inputs are not part
of the repository. Without FOLDER, a row says that nothing was run. A case whose inputs are absent is missed.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from tests.torture.tiny import ROOT, Done, command, forked, table_row

PIPELINE = ROOT / "pretrained" / "phantom"
NO_NAMES = ("--sampling-rate", 500)  # of files that tell no rate
Met = Callable[[Done], bool]


@dataclass(frozen=True)
class Case:
    """One input and what must become of it.

    Attributes:
        inputs: below FOLDER; the first names the case.
        run: called with FOLDER and an empty folder; what the product did.
        expected: in words. met: whether that is what was done.
    """

    inputs: tuple[str, ...]
    run: Callable[[Path, Path], Done]
    expected: str
    met: Met


# ---- What may be expected ----


def refused(*words: str) -> Met:
    """Exit code 2 and one line of error with one of these words, or sets of words joined by "&"."""

    def met(done: Done) -> bool:
        errors = [line for line in _lines(done) if line.startswith("error: ")]
        return done.code == 2 and len(errors) == 1 and _says(errors[0], words) and not _crashed(done)

    return met


def read(*words: str) -> Met:
    """Exit code 0, and one of these words where there are any."""
    return lambda done: done.code == 0 and not _crashed(done) and _says(" ".join(_lines(done)), words)


def told(*words: str) -> Met:
    """No fault of ours, and one of these words, whatever the exit code says of a finding."""
    return lambda done: done.code in (0, 1, 2) and not _crashed(done) and _says(" ".join(_lines(done)), words)


def either(*ways: Met) -> Met:
    return lambda done: any(met(done) for met in ways)


def _lines(done: Done) -> list[str]:
    return done.said.decode(errors="replace").splitlines()


def _crashed(done: Done) -> bool:
    return b"Traceback" in done.said


def _says(text: str, words: tuple[str, ...]) -> bool:
    return not words or any(all(part in text for part in word.split("&")) for word in words)


# ---- How the product is run ----


def sampled(ecg: str, *options: object) -> Callable[[Path, Path], Done]:
    """sample.py on an ECG, or a folder of them; options that are Paths lie below FOLDER."""

    def run(folder: Path, place: Path) -> Done:
        given = [folder / option if isinstance(option, Path) else option for option in options]
        made = ("--pipeline", PIPELINE, "--output", place / "out", "--steps", 1, "--samples", 1)
        return forked("sample", "--ecg", folder / ecg, *made, *given, cwd=place)

    return run


def reported(data: str) -> Callable[[Path, Path], Done]:
    """python -m cohort.report on a data folder."""

    def run(folder: Path, place: Path) -> Done:
        words = (
            sys.executable,
            "-m",
            "cohort.report",
            "--quiet",
            "--full",
            "--data",
            folder / data,
            "--output",
            place / "report",
        )
        return command(*words, cwd=place)

    return run


def heart_read(data: str) -> Callable[[Path, Path], Done]:
    """The reader of hearts: its notes, and the volumes of its label map at ED and ES."""

    def run(folder: Path, place: Path) -> Done:
        from cohort.discovery import find_subjects
        from cohort.heart_grid import read_heart
        from cohort.phenotypes import phenotypes_of

        heart = read_heart(find_subjects(folder / data)[0])
        counted = phenotypes_of(heart.labels, heart.geometry.pixel_mm, heart.slice_step_mm)
        figures = [f"{name} {round(counted[name])}" for name in ("LVEDV", "LVEF", "RVEDV")]
        return Done(0, "; ".join([*heart.notes, *figures]).encode())

    return run


def one_signal(folder_name: str, suffix: str, **reading: int) -> Callable[[Path, Path], Done]:
    """The reader of ECGs on all files of a case, which hold one recording."""

    def run(folder: Path, place: Path) -> Done:
        from cohort.ecg import read_ecg

        paths = sorted((folder / folder_name).glob(f"*{suffix}"))
        signals = {read_ecg(path, **reading).signal.tobytes() for path in paths}
        return Done(0, f"{len(paths)} files, {len(signals)} signals".encode())

    return run


def linked(folder: Path, place: Path) -> Done:
    """cohort.report on a data folder whose ECGs are links into a store."""
    (place / "data" / "ecg").mkdir(parents=True)
    for target in (folder / "folder_of_links" / "store").iterdir():
        (place / "data" / "ecg" / target.name).symlink_to(target)
    return reported("data")(place, place)


def sampled_again(damage: Callable[[Path], object]) -> Callable[[Path, Path], Done]:
    """sample.py twice into one output; between the two, its record is damaged."""

    def run(folder: Path, place: Path) -> Done:
        once = sampled("control_plain/data/ecg")
        first = once(folder, place)
        damage(next((place / "out").glob("*/heart.json")))
        return once(folder, place) if first.code == 0 else first

    return run


def long_record(folder: Path, place: Path) -> Done:
    """sample.py on ten minutes, whose signals are made here: a record of ten seconds, sixty times."""
    header = (folder / "long_recording" / "min10.hea").read_text().splitlines()
    ten_s = np.fromfile(folder / "wfdb_checksum" / "flip.dat", "<i2").reshape(-1, 12)
    np.tile(ten_s, (60, 1)).tofile(place / header[1].split()[0])
    unchecked = [header[0], *(_without_checksum(line) for line in header[1:])]
    (place / "min10.hea").write_text("\n".join(unchecked) + "\n")
    return sampled("min10.hea")(place, place)


def _without_checksum(line: str) -> str:
    """A signal's line with the fields up to the zero of its scale: file, format, gain, bits, zero; and its lead."""
    cells = line.split()
    return line if line.startswith("#") else f"{cells[0]} 16 {cells[2]} {cells[3]} {cells[4]} 0 0 0 {cells[-1]}"


def without_locks_of_unix(folder: Path, place: Path) -> Done:
    """sample.py where Python has no fcntl, as on Windows."""
    blocked = "import sys; sys.modules['fcntl'] = None; sys.argv[:] = sys.argv[1:]; import runpy; "
    script = blocked + "runpy.run_path(sys.argv[0], run_name='__main__')"
    made = ("--pipeline", PIPELINE, "--output", place / "out", "--steps", 1, "--samples", 1)
    ecg = folder / "control_plain" / "data" / "ecg"
    return command(sys.executable, "-c", script, ROOT / "sample.py", "--ecg", ecg, *made, cwd=place)


def pseudonymised(folder: Path, place: Path) -> Done:
    """sample.py with a key, over two files of one name."""
    (place / "key").write_bytes(b"k" * 32)
    (place / "key").chmod(0o600)
    return sampled("pseudonym_leak", "--pseudonymise", place / "key")(folder, place)


def exchanged(folder: Path, place: Path) -> Done:
    """The key of prepared arrays, before and after two people's MRI folders change places; the files keep all else."""
    from cohort.discovery import find_subjects
    from cohort.prepared import Preparation, cohort_fingerprint
    from cohort.subjects import pairs

    data = Path(shutil.copytree(folder / "fingerprint_blind" / "fp" / "U", place / "U"))

    def key() -> str:
        return cohort_fingerprint(data, pairs(find_subjects(data)), Preparation(), place / "memory.npy")

    before = key()
    one, other = sorted((data / "NIFTI").iterdir())
    one.rename(place / "aside"), other.rename(one), (place / "aside").rename(other)
    return Done(0, b"another key" if key() != before else b"the same key")


# ---- The cases ----

SOUND = "1 visit complete and readable&0 left out, 0 poor"
LEFT_OUT = "0 visits complete and readable"
ECG_FILES = {  # ECG below FOLDER: (options, in words, met)
    **{f"csv_dialects/{name}.csv": (NO_NAMES, "read", read()) for name in "abcegij"},
    "csv_dialects/semicolon.csv": (NO_NAMES, "read", read()),
    "csv_dialects/tab.csv": (NO_NAMES, "read", read()),
    "lead_order_avf_avl/mimic_order.npy": (NO_NAMES, "refused: aVL and aVF exchanged", refused("aVL and aVF")),
    "lead_order_avf_avl/avr_negated.npy": (NO_NAMES, "refused: aVR negated", refused("aVR")),
    "lead_order_avf_avl/cabrera.npy": (NO_NAMES, "refused: Cabrera's order", refused("Cabrera")),
    **{
        f"npy_other_units/{name}.npy": (NO_NAMES, "refused once: no millivolts", refused("not millivolts"))
        for name in ("low_x0.05", "minmax01", "tenth_mV_units", "zscored")
    },
    "not_finite/e300.npy": (NO_NAMES, "refused: no such voltage", refused("mV, which no ECG does")),
    "not_finite/gtiny.hea": ((), "refused: no such voltage", refused("mV, which no ECG does")),
    "not_finite/res1e300.xml": ((), "refused: no such voltage", refused("mV, which no ECG does")),
    "wfdb_checksum/flip.hea": ((), "refused: the checksum of I", refused("I do not add up&checksum")),
    "wfdb_checksum/swap.hea": ((), "refused: the checksums of V1 and V2", refused("V1, V2&checksum")),
    "wfdb_bomb/bomb.hea": ((), "refused: too many samples", refused("samples a lead, more than")),
    "muse_variants/two_rhythm.xml": ((), "read: the waveform of most leads", read()),
    "muse_variants/uV.xml": ((), "read", read()),
    "muse_variants/no_units.xml": ((), "read, the unit is told", read("no unit in the file")),
    "muse_variants/namespace.xml": ((), "read", read()),
    "muse_variants/no_type.xml": ((), "read", read()),
    "muse_variants/inches_pounds.xml": (
        (),
        "read, with height and weight",
        lambda done: read()(done) and b"unknown: " not in done.said,
    ),
    "wfdb_headers/A2.hea": ((), "read", read()),
    "wfdb_headers/cr.hea": ((), "refused: it is empty", refused("empty")),
    "wfdb_headers/flip.hea": ((), "refused: the checksum of a lead", refused("checksum")),
    "wfdb_headers/lead_names.hea": ((), "refused: its signal file is absent", refused("no such file")),
    "wfdb_headers/ms.hea": ((), "read, or refused: 2 segments", either(read(), refused("of 2 segments"))),
    **{
        f"not_known_formats/{name}": ((), f"refused as {words}, or read", either(refused(words), read()))
        for name, words in {
            "a.edf": "EDF",
            "a.h5": "HDF5",
            "a.scp": "SCP",
            "a.txt": "text",
            "ishne.ecg": "ISHNE",
            "lfs_pointer.xml": "git-lfs",
            "login_page.xml": "HTML",
            "scan.pdf": "PDF",
        }.items()
    },
}
PERSON = "persons_units/ecg/9000001_20205_2_0.xml"
CASES = (
    Case(("control_plain/data",), reported("control_plain/data"), "without a finding", read(SOUND)),
    Case(
        ("cine_axes_mixed/xytz",), reported("cine_axes_mixed/xytz"), "left out: axes", told(f"mri_geometry&{LEFT_OUT}")
    ),
    Case(
        ("cine_ed_not_first/data_all_frames_labelled",),
        heart_read("cine_ed_not_first/data_all_frames_labelled"),
        "ED = the largest labelled cavity, with a note; LVEDV 93, LVEF 48",
        read("ED is frame 7&LVEDV 93&LVEF 48"),
    ),
    *(
        Case(
            (f"itk_identity_orientation/{name}",),
            heart_read(f"itk_identity_orientation/{name}"),
            "base, apex and the RV's side from the labels, with a note; LVEDV 93, LVEF 48",
            read("taken from the label map&LVEDV 93&LVEF 48"),
        )
        for name in ("data", "nifti_diag")
    ),
    Case(
        ("labels_acdc_numbering/data",),
        heart_read("labels_acdc_numbering/data"),
        "renumbered, with a note; the volumes of the sound heart",
        lambda done: read("ACDC&renumbered")(done) and _figures(done) == _figures(_control(done)),
    ),
    Case(("labels_nearly_whole/data",), reported("labels_nearly_whole/data"), "rounded", read(SOUND)),
    Case(("slope_nan/data",), reported("slope_nan/data"), "read as unscaled", read(SOUND)),
    *(
        Case(
            (f"slices_out_of_order/{name}",),
            reported(f"slices_out_of_order/{name}"),
            "a finding",
            told("mri_slice_order", LEFT_OUT),
        )
        for name in ("interleaved_labelled", "reversed_labelled")
    ),
    Case(
        ("nifti_per_slice/data",),
        reported("nifti_per_slice/data"),
        "read, or the 10 files are counted and named",
        either(read(SOUND), told("10&sa_1.nii.gz", "10&sa_10.nii.gz")),
    ),
    Case(
        ("ukb_rap_layout/data",),
        reported("ukb_rap_layout/data"),
        "the ECG in a folder of two digits is found or named",
        told("no short-axis MRI", "9000001_20205_2_0.xml", "folder&90"),
    ),
    Case(
        ("ukb_rap_layout/data/ecg",),
        sampled("ukb_rap_layout/data/ecg"),
        "the same of sample.py",
        either(read("9000001"), refused("9000001_20205_2_0.xml", "folder&90")),
    ),
    Case(
        ("folder_of_links/store",),
        linked,
        "followed, or counted as links",
        told("no short-axis MRI", "1 link", "links&9000001"),
    ),
    Case(
        ("folder_mixed/ecg",), sampled("folder_mixed/ecg"), "e.scp is read or named", told("e.scp", "passed over&.scp")
    ),
    Case(
        ("persons_units/metres.csv", PERSON),
        sampled(PERSON, "--persons", Path("persons_units/metres.csv")),
        "refused: row, column, metres",
        refused("row 2, column height_cm&metres"),
    ),
    Case(
        ("persons_units/birthyear.csv", PERSON),
        sampled(PERSON, "--persons", Path("persons_units/birthyear.csv")),
        "refused: row, column, year of birth, which is not quoted",
        lambda done: refused("row 2, column age&year of birth")(done) and b" 19" not in done.said,
    ),
    Case(
        ("persons_units/pounds_inches.csv", PERSON),
        sampled(PERSON, "--persons", Path("persons_units/pounds_inches.csv")),
        "refused: row, column, inches",
        refused("row 2, column height_cm&inches"),
    ),
    *(
        Case(
            ("heart_json_empty", "control_plain/data"),
            sampled_again(damage),
            f"{words}: made again",
            read("pseudo-MRIs"),
        )
        for words, damage in {
            "an empty record": lambda path: path.write_bytes(b""),
            "a record [ ]": lambda path: path.write_text("[]"),
            "an absent neighbour": lambda path: (path.parent / "grid.png").unlink(),
        }.items()
    ),
    Case(
        ("mri_option_unmatched", "control_plain/data", PERSON),
        sampled(PERSON, "--mri", Path("mri_option_unmatched")),
        "a warning for the patient",
        read("holds no MRI of this patient"),
    ),
    Case(
        ("long_recording/min10.hea", "wfdb_checksum/flip.dat"), long_record, "a note: 600 s, 10 s used", told("600&10")
    ),
    Case(("no_fcntl", "control_plain/data"), without_locks_of_unix, "works, or one line", either(read(), refused())),
    Case(
        ("pseudonym_leak",),
        pseudonymised,
        "refused without the eid",
        lambda done: refused("several files would be called")(done) and b"9000001" not in done.said,
    ),
    Case(("fingerprint_blind/fp/U",), exchanged, "another key", read("another key")),
    Case(
        ("csv_dialects",), one_signal("csv_dialects", ".csv", sampling_rate=500), "one signal", read("9 files, 1 sig")
    ),
    Case(("muse_variants",), one_signal("muse_variants", ".xml"), "one signal", read("6 files, 1 sig")),
    *(Case((ecg,), sampled(ecg, *options), words, met) for ecg, (options, words, met) in ECG_FILES.items()),
)


def _figures(done: Done) -> str:
    return done.said.decode().partition("LVEDV")[2]


def _control(_: Done) -> Done:
    return heart_read("control_plain/data")(_folder(), Path())


def _folder() -> Path | None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--quick", action="store_true", help="leaves nothing out")
    given = parser.parse_args().folder
    return given and given.resolve()


def tried(case: Case, folder: Path) -> bool:
    """Run a case and print its row; whether it is met."""
    absent = [name for name in case.inputs if not (folder / name).exists()]
    if absent:
        return table_row("I", case.inputs[0], case.expected, f"no input {absent[0]}", met=False)
    with tempfile.TemporaryDirectory() as place:
        try:
            done = case.run(folder, Path(place))
        except Exception as error:  # a fault of ours, or one that the case must not have
            done = Done(70, f"Traceback: {type(error).__name__}: {error}".encode())
        met = case.met(done)
    return table_row("I", case.inputs[0], case.expected, _found(done), met)


def _found(done: Done) -> str:
    """What was done, in one cell: the error, the first finding, or how it ended."""
    telling = ("error: ", "Traceback", "warning: ", "      ", "note: ")
    lines = [line for line in _lines(done) if line.startswith(telling) and "simulated patient" not in line]
    words = lines[0] if lines else (_lines(done) or ["nothing said"])[-1]
    return f"code {done.code}: {words.strip()[-160:]}".replace("|", "/")


def main() -> int:
    folder = _folder()
    if folder is None:
        print("| I | faulty inputs of a folder | as each README says | not run: no FOLDER was given |")
        return 0
    met = [tried(case, folder) for case in CASES]
    known = {name.partition("/")[0] for case in CASES for name in case.inputs}
    strange = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in known)
    table_row("I", "cases of the folder without an expectation", "none", ", ".join(strange) or "none", not strange)
    table_row("I", "all cases", f"{len(met)}", f"{sum(met)}", all(met))
    return int(not all(met) or bool(strange))


if __name__ == "__main__":
    sys.exit(main())
