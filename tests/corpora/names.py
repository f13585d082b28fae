"""Row A7: names that would lead a careless program out of its folder, or say something to a shell."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.examination import examine_cohort
from cohort.heart_grid import GridGeometry
from sampling.inputs import ecg_files, subject_name
from sampling.outputs import write_patient

GEOMETRY = GridGeometry(slices=2, phases=2, height=4, width=4)

# Paths as an ECG may be given; most cannot be files.
PATHS = (
    *(
        "../x.xml",
        "../../../etc/passwd",
        "..",
        ".",
        "/",
        "/etc/passwd",
        "/../x.xml",
        "a/../../b.xml",
        "..xml",
        "...xml",
    ),
    *(
        "....",
        "-rf.xml",
        "-rf",
        "--output=/tmp/x.xml",
        "-",
        "a\0b.xml",
        "\0",
        "a\nb.xml",
        "\n",
        "a\r\n../b.xml",
        "\t.xml",
    ),
    *(
        "x" * 300 + ".xml",
        "../" * 100 + "x.xml",
        "\u00fc" * 300,
        "a b.xml",
        " .xml",
        "a;rm -rf ~.xml",
        "$(touch x).xml",
    ),
    *(
        "`id`.xml",
        "|x.xml",
        "*.xml",
        "~.xml",
        "~root.xml",
        "a\\..\\b.xml",
        "C:\\x.xml",
        "%2e%2e%2fx.xml",
        "\u202elmx.xml",
    ),
    *(
        "\uff0e\uff0e\uff0fx.xml",
        "CON.xml",
        "NUL",
        ".hidden.xml",
        ".partial-0a1b2c3d-heart.json",
        "heart.json",
        "sample_2.xml",
        "",
    ),
    *(
        "<script>.xml",
        '"><img src=x>.xml',
        "{0}.xml",
        "%s%n.xml",
        "a" * 100 + "1.xml",
        "a" * 100 + "2.xml",
        "\udcff.xml",
        "\x1b[2J.xml",
    ),
)


def snapshot(folder: Path, output: Path) -> list[str]:
    """Everything in a folder but what is in `output`, with sizes and times: unchanged where nothing was written."""
    seen = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(root) / name != output]
        for name in files + folders:
            about = (Path(root) / name).lstat()
            seen.append(f"{root}/{name} {about.st_size} {about.st_mtime_ns}")
    return sorted(seen)


def strays(text: str, folder: Path) -> str:
    """Empty when a patient called by this path is written as one folder in `folder`/out and nowhere else."""
    output = folder / "out"
    output.mkdir(exist_ok=True)
    before = snapshot(folder, output)
    name = subject_name(Path(text))
    if (
        name in ("", ".", "..")
        or Path(name).name != name
        or name.startswith(("-", "."))
        or len(os.fsencode(name)) > 255
    ):
        return f"is called {name!r}"
    write_patient(output / name, np.zeros((2, 2, 2, 4, 4), np.float32), GEOMETRY, {"samples": 2})
    if not (output / name / "heart.json").is_file() or (output / name).resolve().parent != output.resolve():
        return "was not written to its folder"
    return "" if snapshot(folder, output) == before else "something was written elsewhere"


def refuses_what_is_no_ecg(text: str, folder: Path) -> str:
    """Empty when a path that is no ECG is refused, and by our own error."""
    (folder / "ecg").mkdir()
    try:
        for path in ecg_files(folder / "ecg" / text):
            read_ecg(path)
    except InputError as refusal:
        return "" if str(refusal).isprintable() else "the refusal is no single printable line"
    except Exception as error:
        return f"{type(error).__name__} and not InputError"
    return "was taken for an ECG"


def _linked(relative: str, is_folder: bool = False) -> Callable[[Path, Path], None]:
    def plant(output: Path, elsewhere: Path) -> None:
        target = elsewhere if is_folder else elsewhere / "precious.txt"
        link = output / relative
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    return plant


def _finished(plant: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """As `plant`, after an earlier run has finished the patient."""

    def both(output: Path, elsewhere: Path) -> None:
        write_patient(output / "name", np.zeros((1, 2, 2, 4, 4), np.float32), GEOMETRY, {"samples": 1})
        for path in (output / "name").iterdir():
            if path.name in ("sa_ED.nii.gz", "grid.png"):
                path.unlink()
        plant(output, elsewhere)

    return both


# What may lie in the output folder already: links that lead out of it.
LINKS = {
    "the patient's folder": _linked("name", is_folder=True),
    "the second sample's folder": _linked("name/sample_2", is_folder=True),
    "a volume": _linked("name/sa_ED.nii.gz"),
    "the picture": _linked("name/grid.png"),
    "the record": _linked("name/heart.json"),
    "what looks like a file in the making": _linked("name/.partial-0a1b2c3d-heart.json"),
    "what looks like a folder in the making": _linked("name/.partial-0a1b2c3d-sample_2", is_folder=True),
    "a volume, of a finished patient": _finished(_linked("name/sa_ED.nii.gz")),
    "the picture, of a finished patient": _finished(_linked("name/grid.png")),
    "a sample's folder, of a finished patient": _finished(_linked("name/sample_2", is_folder=True)),
}


def _input_link(name: str, target: str) -> Callable[[Path], None]:
    def plant(data: Path) -> None:
        (data / "ecg" / name).symlink_to(target)

    return plant


# What may lie among a cohort's ECGs: links, which reading follows.
INPUT_LINKS = {
    "to a file elsewhere": _input_link("9000001_20205_2_0.xml", "../../elsewhere/precious.txt"),
    "to a folder elsewhere": _input_link("90", "../../elsewhere"),
    "to nothing": _input_link("9000001_20205_2_0.xml", "gone"),
    "to itself": _input_link("9000001_20205_2_0.xml", "9000001_20205_2_0.xml"),
    "to the folder above": _input_link("up", ".."),
    "to a device": _input_link("9000001_20205_2_0.xml", "/dev/zero"),
}


def strays_when_read(link: str, folder: Path) -> str:
    """Empty when looking for subjects by way of this link ends, changes nothing and fails by our own error only."""
    data, elsewhere = folder / "UKBB", folder / "elsewhere"
    (data / "ecg").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "precious.txt").write_text("precious")
    INPUT_LINKS[link](data)
    before = snapshot(folder, folder / "out")
    try:
        examine_cohort(data)
    except InputError as refusal:
        if not str(refusal).isprintable():
            return "the refusal is no single printable line"
    except Exception as error:
        return f"{type(error).__name__} and not InputError"
    return "" if snapshot(folder, folder / "out") == before else "something was written"


def strays_through(link: str, folder: Path) -> str:
    """Empty when writing a patient where this link lies changes nothing outside `folder`/out: written or refused."""
    output, elsewhere = folder / "out", folder / "elsewhere"
    output.mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "precious.txt").write_text("precious")
    LINKS[link](output, elsewhere)
    before = snapshot(folder, output)
    try:
        write_patient(output / "name", np.zeros((2, 2, 2, 4, 4), np.float32), GEOMETRY, {"samples": 2})
    except InputError:
        pass
    except Exception as error:
        return f"{type(error).__name__} and not InputError"
    return "" if snapshot(folder, output) == before else "something was written elsewhere"
