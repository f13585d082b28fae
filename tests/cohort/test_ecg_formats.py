"""Whatever the table of formats names is read, found in folders, and told to the user."""

import numpy as np
import pytest

from cohort.discovery import scan
from cohort.ecg import read_ecg
from cohort.ecg_formats import ECG_FORMATS
from cohort.errors import InputError
from cohort.subjects import FIRST_SIMULATED_EID
from sampling.inputs import ecg_files
from tests.corpora import exchanged_files
from tests.corpora.device_files import cardiosoft, true_ecg, write_wfdb

RATE = 500.0
EXCHANGED = {
    ".scp": exchanged_files.scp,
    ".edf": exchanged_files.edf,
    ".ecg": exchanged_files.ishne,
    ".mwf": exchanged_files.mfer,
}


@pytest.fixture
def written(tmp_path):
    """A folder of one recording in every format, under a participant's name: format -> path."""
    folder, stem = tmp_path / "UKBB" / "ecg", f"{FIRST_SIMULATED_EID}_20205_2_0"
    folder.mkdir(parents=True)
    paths = {one: folder / f"{stem}{one.suffix}" for one in ECG_FORMATS}
    for one, path in paths.items():
        match one.reader:
            case "xml":
                path.write_text(cardiosoft(), encoding="latin-1")
            case "wfdb":
                write_wfdb(folder, header=lambda text: text.replace("case", stem)).rename(path)
                (folder / "case.dat").rename(path.with_suffix(".dat"))
            case "exchanged" if one.suffix == ".dcm":
                exchanged_files.dicom()(path)
            case "exchanged":
                path.write_bytes(EXCHANGED[one.suffix]())
            case "array" if one.suffix == ".npy":
                np.save(path, true_ecg())
            case "array":
                np.savetxt(path, true_ecg(), delimiter=",")
    return paths


def test_every_format_is_read(written):
    for one, path in written.items():
        ecg = read_ecg(path, sampling_rate=None if one.says_rate else RATE)
        np.testing.assert_allclose(ecg.signal, true_ecg(), atol=0.003)


def test_a_sidecar_names_the_same_recording(written):
    for one, path in written.items():
        for sidecar in (other for other in one.sidecars if path.with_suffix(other).exists()):
            np.testing.assert_array_equal(read_ecg(path.with_suffix(sidecar)).signal, read_ecg(path).signal)


def test_without_its_rate_a_file_is_refused_where_the_table_says_so(written):
    for one, path in written.items():
        if not one.says_rate:
            with pytest.raises(InputError, match="sampling rate"):
                read_ecg(path)


def test_a_cohort_takes_the_first_format_and_counts_as_strays_what_says_no_rate(written):
    data = next(iter(written.values())).parents[1]
    for one, path in written.items():
        if one.says_rate:
            assert scan(data).subjects[0].ecg == str(path)
            path.unlink()
    with pytest.raises(InputError, match="holds no ECG"):
        scan(data)


def test_a_folder_to_sample_from_may_hold_any_of_them(written, tmp_path):
    for number, path in enumerate(written.values()):
        path.rename(path.with_stem(str(number)))
    assert [path.suffix for path in ecg_files(path.parent)] == [one.suffix for one in ECG_FORMATS]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as refusal:
        ecg_files(tmp_path / "empty")
    assert all(one.suffix in refusal.value.remedy for one in ECG_FORMATS)
