"""DICOM, HL7, Philips, Mortara, SCP-ECG, EDF and ISHNE: read to the microvolt, or refused in one line."""

import warnings

import numpy as np
import pytest
from ecgdatakit import FileParser

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.exchanged_ecg import EXCHANGED, without_calibration
from cohort.foreign_formats import ROOTS, SIGNATURES
from cohort.leads import LEADS
from tests.corpora import exchanged_files as files
from tests.corpora.case import verdict
from tests.corpora.device_files import true_ecg
from tests.corpora.exchanged_corpus import exchanged_cases
from tests.corpora.trial import in_child

MOST_MEGABYTES = 500  # above what is imported; a file of 8 MB becomes 0.1 GB of numbers
BINARY = {".dcm": None, ".scp": files.scp, ".edf": files.edf, ".ecg": files.ishne, ".mwf": files.mfer}
XML = {"hl7": files.hl7, "mortara": files.mortara, "philips": files.philips}


@pytest.mark.parametrize("case", exchanged_cases(), ids=lambda case: case.name)
def test_a_file_is_read_right_or_refused_by_name(case, tmp_path):
    assert verdict(case, case.write(tmp_path), read_ecg) == ""


def test_every_name_is_one_by_which_files_are_known():
    assert EXCHANGED.keys() <= {one.name for one in SIGNATURES} | set(ROOTS.values())


@pytest.mark.parametrize(
    "case", [c for c in exchanged_cases() if "giga" in c.name or "deflated" in c.name], ids=lambda c: c.name
)
def test_no_small_file_takes_gigabytes(case, tmp_path):
    path = case.write(tmp_path)
    idle, done = in_child(str), in_child(lambda: verdict(case, path, read_ecg))
    assert done.said == "" and done.megabytes - idle.megabytes < MOST_MEGABYTES


@pytest.mark.parametrize("name", [*BINARY, *XML])
def test_whatever_is_broken_is_one_line(name, tmp_path):
    """60 files with a cut, or with random bytes somewhere: each is read or refused, and no patient is quoted."""
    path = tmp_path / f"case{name if name in BINARY else '.xml'}"
    if name == ".dcm":
        files.dicom()(path)
    else:
        content = (BINARY | XML)[name]()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    sound, rng, refused = path.read_bytes(), np.random.default_rng(5), 0
    for number in range(60):
        broken = bytearray(sound)
        if number % 3 == 0:
            del broken[int(rng.integers(len(sound))) :]
        else:
            first = int(rng.integers(len(sound) if number % 3 == 1 else 700))
            broken[first : first + 4] = rng.bytes(4)
        path.write_bytes(bytes(broken))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a library's warning may quote the file
                read_ecg(path)
        except InputError as refusal:
            refused += 1
            assert "\n" not in str(refusal) and files.CANARY not in str(refusal)
    assert refused >= 15


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (lambda: warnings.warn(f"{files.CANARY} has gaps between data records", stacklevel=1), "its samples have gaps"),
        (lambda: [][files.CANARY], "it is EDF and cannot be decoded"),
    ],
)
def test_what_the_library_says_is_never_quoted(tmp_path, monkeypatch, says, message):
    parse = FileParser.parse
    monkeypatch.setattr(FileParser, "parse", lambda path, **how: (says(), parse(path, **how))[1])
    (tmp_path / "case.edf").write_bytes(files.edf())
    with pytest.raises(InputError, match=message) as refusal:
        read_ecg(tmp_path / "case.edf")
    cause = refusal.value.__cause__ or (None if refusal.value.__suppress_context__ else refusal.value.__context__)
    assert files.CANARY not in f"{refusal.value} {cause}"


def test_a_calibration_pulse_is_left_out_at_either_end():
    ecg = dict(zip(LEADS, true_ecg(), strict=True))
    pulse = np.concatenate([np.zeros(80), np.ones(100), np.zeros(70)])
    for ends in ((pulse, []), ([], pulse), (pulse, pulse)):
        found, (note,) = without_calibration({k: np.concatenate([ends[0], v, ends[1]]) for k, v in ecg.items()}, 500)
        assert all(np.array_equal(found[lead], ecg[lead]) for lead in LEADS) and note.code == "ecg_calibration"


def test_what_is_the_same_for_a_moment_stays():
    ecg = {lead: np.append(values, [0.0] * 20) for lead, values in zip(LEADS, true_ecg(), strict=True)}
    found, notes = without_calibration(ecg, 500)
    assert notes == () and all(np.array_equal(found[lead], ecg[lead]) for lead in LEADS)


def test_leads_that_are_all_the_same_are_left_to_others_to_refuse():
    found, notes = without_calibration(dict.fromkeys(LEADS, np.ones(5000)), 500)
    assert notes == () and len(found["I"]) == 5000
