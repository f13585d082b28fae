import time
from pathlib import Path

import numpy as np
import pytest

from cohort.errors import InputError
from cohort.pseudonym import Naming
from cohort.subjects import FIRST_SIMULATED_EID
from phantom.cohort_writer import ecg_path
from sampling.inputs import ecg_files, ecg_limits, is_simulated, out_of_range, subject_name, without_withdrawn_files


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..",
        ".",
        ".hidden",
        "-rf",
        "a/b",
        "a\nb",
        "a\0b",
        "x" * 300,
        "…",
        "名前",
        "a b;c|d$e",
        "~root",
    ],
)
def test_a_hostile_name_stays_a_plain_folder_name(name, tmp_path):
    safe = subject_name(Path(name + ".xml"))
    assert safe and len(safe) <= 100 and safe[0] not in ".-" and safe.isascii()
    assert not set(safe) & set("/\\\0\n ;|$~")
    assert (tmp_path / safe).resolve().parent == tmp_path.resolve()


def test_an_ordinary_name_stays_as_it_is():
    assert subject_name(Path("somewhere/9000001_20205_2_0.xml")) == "9000001_20205_2_0"


def test_the_ecgs_of_a_folder_in_order_of_name(tmp_path):
    for name in ("b.xml", "a.HEA", "a.dat", "c.npy", "notes.txt", ".hidden.xml", "d.csv"):
        (tmp_path / name).write_text("")
    assert [path.name for path in ecg_files(tmp_path)] == ["a.HEA", "b.xml", "c.npy", "d.csv"]
    assert ecg_files(tmp_path / "b.xml") == [tmp_path / "b.xml"]


def test_a_record_of_wfdb_may_be_named_without_its_suffix(tmp_path):
    (tmp_path / "a103.hea").write_text("")
    assert ecg_files(tmp_path / "a103") == [tmp_path / "a103"]


def test_nothing_to_sample_from_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no ECG"):
        ecg_files(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        ecg_files(tmp_path / "none.xml")


def cohort_of_amplitudes(peak_to_peak):
    """(N, 12, 4) strips whose every lead spans the given mV."""
    return np.array(peak_to_peak)[:, None, None] * np.tile([0.0, 1, 0, 0], (len(peak_to_peak), 12, 1))


def test_limits_are_what_99_percent_keep_to_widened_by_half():
    ecg = cohort_of_amplitudes(np.linspace(1, 2, 1001))
    mask = np.ones((1001, 12), bool)
    np.testing.assert_allclose(ecg_limits(ecg, mask), [[1.005 / 1.5, 1.995 * 1.5]] * 12, rtol=1e-4)


def test_leads_that_a_cohort_member_lacks_set_no_limit():
    ecg, mask = cohort_of_amplitudes([1.0, 1.0, 50.0]), np.ones((3, 12), bool)
    mask[2, 3] = False
    limits = ecg_limits(ecg, mask)
    assert limits[3][1] == pytest.approx(1.5) and limits[4][1] > 50


def test_only_known_leads_out_of_range_are_named():
    strip = cohort_of_amplitudes([1.0])[0]
    strip[1] *= 9  # II
    strip[11] *= 0.01  # V6
    strip[6] *= 9  # V1, but absent
    mask = np.ones(12, bool)
    mask[6] = False
    warnings = out_of_range(strip, mask, [[0.5, 2.0]] * 12)
    assert [text.split(" is ")[0] for text in warnings] == ["lead II", "lead V6"]
    assert out_of_range(cohort_of_amplitudes([1.0])[0], mask, [[0.5, 2.0]] * 12) == []


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a b.xml", "a_b.xml"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="a_b"):
        ecg_files(tmp_path)


def test_two_files_of_one_name_are_told_by_pseudonym_where_there_is_a_key(tmp_path):
    name = f"{FIRST_SIMULATED_EID}_20205_2_0"
    for suffix in (".csv", ".xml"):
        (tmp_path / f"{name}{suffix}").touch()
    naming = Naming(b"k" * 16)
    with pytest.raises(InputError, match=naming(name)) as refusal:
        ecg_files(tmp_path, naming)
    assert str(FIRST_SIMULATED_EID) not in str(refusal.value)


def test_a_missing_file_is_told_by_pseudonym_where_there_is_a_key(tmp_path):
    with pytest.raises(InputError, match="does not exist") as refusal:
        ecg_files(tmp_path / f"{FIRST_SIMULATED_EID}_20205_2_0.xml", Naming(b"k" * 16))
    assert str(FIRST_SIMULATED_EID) not in str(refusal.value)


def test_names_that_differ_in_capitals_alone_would_share_a_folder_on_some_disks(tmp_path):
    for name in ("A.xml", "a.npy"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="several files"):
        ecg_files(tmp_path)


def test_many_names_are_compared_in_little_time(tmp_path):
    """As often as there are names, and not as there are pairs of them: 20,000 took a minute."""
    for k in range(4000):
        (tmp_path / f"{k}.xml").touch()
    begun = time.process_time()
    assert len(ecg_files(tmp_path)) == 4000
    assert time.process_time() - begun < 1


def test_a_phantoms_ecg_is_known_by_its_name_alone():
    first = FIRST_SIMULATED_EID
    for name in (ecg_path(Path("anywhere"), 0).name, f"{first + 500}_20205_3_0.hea"):
        assert is_simulated(Path("anywhere") / name)
    for name in ("path.xml", f"{first - 1}_20205_2_0.xml", f"{first}.xml", f"copy of {first}_20205_2_0.xml"):
        assert not is_simulated(Path(name))


def test_shards_are_looked_into_in_an_order_that_they_do_not_change(tmp_path):
    """The order is that of the names, as in one folder: a heart's place in a run must not depend on shards."""
    first, second, third = (f"{FIRST_SIMULATED_EID + number}_20205_2_0.xml" for number in (0, 1, 2))
    for place in ("90", "10/07", "10/07/deeper", "other"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "90" / first).touch()
    (tmp_path / "10/07" / second).touch()
    (tmp_path / third).touch()
    (tmp_path / "10/07/deeper" / "too_deep.xml").touch()
    for name in ("table.csv", "slice.dcm", "notes.txt", f"{FIRST_SIMULATED_EID}_20209_2_0.dcm"):
        (tmp_path / "other" / name).touch()
    (tmp_path / "other" / f"{FIRST_SIMULATED_EID + 3}_20205_2_0.dcm").touch()
    (tmp_path / "other" / "hr.hea").touch()
    found = [str(path.relative_to(tmp_path)) for path in ecg_files(tmp_path)]
    assert found == [
        f"90/{first}",
        f"10/07/{second}",
        third,
        f"other/{FIRST_SIMULATED_EID + 3}_20205_2_0.dcm",
        "other/hr.hea",
    ]


def test_two_files_of_one_name_in_two_shards_are_refused(tmp_path):
    for shard in ("12", "13"):
        (tmp_path / shard).mkdir()
        (tmp_path / shard / "a.xml").touch()
    with pytest.raises(InputError, match="several files would be called a"):
        ecg_files(tmp_path)


def test_links_that_lead_in_a_circle_or_nowhere_are_passed_over_and_told(tmp_path, capsys):
    folder = tmp_path / "ecg"
    (folder / "12").mkdir(parents=True)
    (folder / "12" / "a.xml").touch()
    (folder / "12" / "round").symlink_to(folder)
    (folder / "anna.xml").symlink_to(tmp_path / "gone.xml")
    assert ecg_files(folder) == [folder / "12" / "a.xml"]
    told = capsys.readouterr().out
    assert "1 links that lead in a circle such as 12/round" in told and "lead nowhere such as anna.xml" in told
    ecg_files(folder, Naming(b"k" * 16))
    told = capsys.readouterr().out
    assert "passed over: 2 links" in told and "anna" not in told


@pytest.mark.parametrize(
    ("ecgs", "beside"),
    [("ecg/90", "."), ("ecg/90", "ecg"), ("Bulk/Electrocardiogram/Resting/90", "."), ("ecg", "."), ("plain", ".")],
)
def test_a_list_of_who_withdrew_counts_up_to_the_data_folder(tmp_path, ecgs, beside):
    data = tmp_path / "data"
    (data / ecgs).mkdir(parents=True)
    gone, stays = (data / ecgs / f"{FIRST_SIMULATED_EID + number}_20205_2_0.xml" for number in (0, 1))
    gone.touch()
    stays.touch()
    (data / beside / "w1_20260101.csv").write_text(f"{FIRST_SIMULATED_EID}\n")
    for given in (data / ecgs, (data / ecgs).parent if ecgs.endswith("90") else data / ecgs, stays, gone):
        files = ecg_files(given)
        if given == gone:
            with pytest.raises(InputError, match="this person withdrew"):
                without_withdrawn_files(files, given, None)
        else:
            assert without_withdrawn_files(files, given, None) == [stays]


def test_a_list_above_the_data_folder_is_somebody_elses(tmp_path):
    path = tmp_path / "data" / "ecg" / f"{FIRST_SIMULATED_EID}_20205_2_0.xml"
    path.parent.mkdir(parents=True)
    path.touch()
    (tmp_path / "withdrawn.csv").write_text(f"{FIRST_SIMULATED_EID}\n")
    assert without_withdrawn_files([path], path, None) == [path]


def test_a_list_may_name_people_whom_no_eid_calls(tmp_path):
    for name in ("patient001", "patient002"):
        (tmp_path / f"{name}.xml").touch()
    (tmp_path / "withdrawn.txt").write_text("patient002\n")
    files = ecg_files(tmp_path)
    assert [path.stem for path in without_withdrawn_files(files, tmp_path, None)] == ["patient001"]
