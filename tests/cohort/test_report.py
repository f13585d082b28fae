"""The data doctor counts, names reasons and people, draws, and its exit code tells a script what to do."""

import base64
import csv
import gzip
import io
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tyro
from PIL import Image

import cohort.dicom_files
from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.ecg import ECG, read_ecg, write_cardiosoft
from cohort.errors import InputError, exit_code_of
from cohort.examination import FACTS, CohortReport, examine_cohort, write_subjects
from cohort.exclusion import REASONS
from cohort.leads import LEADS
from cohort.report import main
from cohort.report_page import FACTS_IN_WORDS, MEANINGS, PARTS, called, draw_strip, meaning_of, write_page
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort
from phantom.dicom_zip import write_dicom_zip
from tests.cohort.test_subjects import FIRST, touch


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command as `python -m cohort.report --data ...` does, in this process."""

    def run(data: Path, *options: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["cohort.report", "--data", str(data), *options])
        capsys.readouterr()
        try:
            code = exit_code_of(lambda: tyro.cli(main))
        except SystemExit as stopped:  # tyro, for unknown options
            code = stopped.code
        return Ended(code, *capsys.readouterr())

    return run


def whole_cohort(root: Path, count: int) -> Path:
    for eid in range(FIRST, FIRST + count):
        touch(root, f"ecg/{eid}_20205_2_0.xml", f"NIFTI/{eid}/sa.nii.gz")
    return root


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """Six people, nothing wrong with them: of a seed whose stacks lack no slice."""
    folder = tmp_path_factory.mktemp("good") / "UKBB"
    made = tmp_path_factory.mktemp("made")
    write_cohort(made, CohortPlan(seed=2114, subjects=6), processes=1)
    shutil.copytree(made / "NIFTI", folder / "NIFTI")
    shutil.copytree(made / "ecg", folder / "ecg")
    return folder


@pytest.fixture(scope="module")
def ill(good, tmp_path_factory) -> Path:
    """The same people, each but the last with a fault of its own; not to be written to."""
    folder = tmp_path_factory.mktemp("ill") / "<b>UKBB</b>"
    shutil.copytree(good, folder)
    ecg = [folder / "ecg" / f"{FIRST + number}_20205_2_0.xml" for number in range(6)]
    mri = [folder / "NIFTI" / str(FIRST + number) for number in range(6)]
    ecg[0].write_bytes(ecg[0].read_bytes()[:5000])
    (mri[1] / "sa_ED.nii.gz").write_bytes(b"<html>not found</html>")
    shutil.rmtree(mri[2])
    signal = read_ecg(ecg[3]).signal.copy()
    signal[8] = 0
    write_cardiosoft(ecg[3], ECG(signal, 500.0))
    stack = read_nifti(mri[4] / "sa_ES.nii.gz")
    write_nifti(mri[4] / "sa_ES.nii.gz", CineStack(np.roll(stack.voxels, 3, axis=0), stack.affine + np.eye(4, k=3)))
    return folder


@pytest.fixture(scope="module")
def good_found(good) -> CohortReport:
    return examine_cohort(good)


@pytest.fixture(scope="module")
def ill_found(ill) -> CohortReport:
    return examine_cohort(ill)


# --- names --------------------------------------------------------------------------------------------------------


def test_counts_add_up_and_what_leaves_most_out_comes_first(tmp_path):
    whole_cohort(tmp_path, 30)
    touch(tmp_path, *(f"ecg/{FIRST + 100 + i}_20205_2_0.xml" for i in range(7)), f"NIFTI/{FIRST + 200}/sa.nii.gz")
    found = examine_cohort(tmp_path, depth="names")
    assert len(found.usable) == 30 and len(found.subjects) == 38
    assert {code: len(who) for code, who in found.by_code.items()} == {"visit_no_mri": 7, "visit_no_ecg": 1}
    assert next(iter(found.by_code)) == "visit_no_mri" and not found.clean
    assert re.search(rf"7  visit_no_mri +{FIRST + 100}_2, .*, \.\.\.: no short-axis MRI", str(found))


def test_an_ecg_and_an_mri_of_different_visits_are_no_pair(tmp_path):
    touch(tmp_path, f"ecg/{FIRST}_20205_3_0.xml", f"NIFTI/{FIRST}_2/sa.nii.gz", f"NIFTI/{FIRST + 1}/sa_ED.nii.gz")
    found = examine_cohort(tmp_path, depth="names")
    assert not found.usable and set(found.by_code) == {"visit_no_ecg", "visit_no_mri", "visit_half_mri"}
    assert "no ECG at instance 2 (one at instance 3)" in str(found)


@pytest.mark.parametrize(("people", "told"), [(1, "too few to split"), (40, " validation, ")])
def test_the_split_is_told_as_training_will_do_it(tmp_path, people, told):
    for eid in range(FIRST, FIRST + people):
        touch(tmp_path, f"ecg/{eid}_20205_2_0.xml", f"NIFTI/{eid}_2/sa_ED.nii.gz", f"NIFTI/{eid}_2/sa_ES.nii.gz")
    found = examine_cohort(tmp_path, depth="names")
    assert len(found.usable) == people and told in found.headline


def test_nothing_to_report_on_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="make_phantom"):
        examine_cohort(tmp_path / "absent")
    with pytest.raises(InputError, match="--pictures: is negative"):
        main(tmp_path, pictures=-1)


# --- contents -----------------------------------------------------------------------------------------------------


def test_good_recordings_are_left_in_peace(good_found):
    found = good_found
    assert found.clean and len(found.usable) == 6 and not any(examined.findings for examined in found.subjects)
    assert "6 visits complete and readable, of 6 people" in str(found) and "0 left out, 0 poor" in str(found)


def test_each_fault_is_found_in_its_subject_and_training_would_take_the_rest(ill_found):
    found = ill_found
    codes = [[finding.code for finding in examined.findings] for examined in found.subjects]
    assert codes == [["ecg_truncated"], ["mri_format"], ["visit_no_mri"], ["ecg_lead_flat"], ["mri_geometry"], []]
    assert [examined.usable for examined in found.subjects] == [False, False, False, True, False, True]
    assert list(found.by_code)[-1] == "ecg_lead_flat"  # what is only poor comes last


def test_a_recording_filed_under_two_people_is_found(good, tmp_path):
    (tmp_path / "UKBB" / "ecg").mkdir(parents=True)
    for eid in (FIRST, FIRST + 1):
        shutil.copytree(good / "NIFTI" / str(eid), tmp_path / "UKBB" / "NIFTI" / str(eid))
        shutil.copy(good / "ecg" / f"{FIRST}_20205_2_0.xml", tmp_path / "UKBB" / "ecg" / f"{eid}_20205_2_0.xml")
    found = examine_cohort(tmp_path / "UKBB")
    assert {code: [e.subject.eid for e in who] for code, who in found.by_code.items()} == {
        "ecg_copy": [FIRST, FIRST + 1]
    }


def test_a_table_that_training_would_refuse_is_told_of(good, tmp_path):
    shutil.copytree(good, tmp_path / "UKBB")
    (tmp_path / "UKBB" / "persons.csv").write_text("eid,sex\n")
    found = examine_cohort(tmp_path / "UKBB", depth="names")
    assert not found.clean and "persons.csv: it lacks the column age" in str(found)


def test_tables_that_contradict_the_ecg_file_or_themselves_are_findings_and_strange_columns_a_note(good, tmp_path):
    data = shutil.copytree(good, tmp_path / "UKBB")
    stated = [read_ecg(data / "ecg" / f"{FIRST + k}_20205_2_0.xml").person for k in range(2)]
    other = "male" if stated[0].sex == "female" else "female"
    (data / "persons.csv").write_text(f"eid,sex,age,height_cm,weight_kg\n{FIRST},{other},,,\n{FIRST + 1},,2,,\n")
    (data / "phenotypes.csv").write_text(f"eid,LVEDV,LVEF,CRP\n{FIRST + 2},140,2,1\n{FIRST + 3},150,60,1\n")
    found = examine_cohort(data)
    assert {code: [examined.subject.eid - FIRST for examined in who] for code, who in found.by_code.items()} == {
        "table_sex": [0],
        "table_age": [1],
        "table_implausible": [2],
    }
    assert len(found.usable) == 6 and not found.clean
    assert f"persons.csv says {other}, the ECG file says {stated[0].sex}" in str(found)
    assert "nobody knows: CRP" in str(found) and "row 2: LVEF 2 is not within" in str(found)
    write_page(tmp_path / "cohort.html", found, pictures=0)
    assert "nobody knows: CRP" in (tmp_path / "cohort.html").read_text()


def test_no_progress_is_told_of_pictures_that_nobody_wants(ill_found, tmp_path, capsys):
    write_page(tmp_path / "cohort.html", ill_found, pictures=0, quiet=False)
    assert capsys.readouterr().err == ""


def test_the_csv_has_a_row_a_subject_and_its_facts(ill_found, tmp_path):
    write_subjects(tmp_path / "subjects.csv", ill_found)
    rows = list(csv.DictReader((tmp_path / "subjects.csv").open()))
    assert [int(row["eid"]) for row in rows] == list(range(FIRST, FIRST + 6))
    assert rows[3]["codes"] == "ecg_lead_flat" and rows[3]["findings"] == "lead V3 is flat" and rows[3]["usable"] == "1"
    assert rows[5]["codes"] == "" and set(FACTS) <= set(rows[5])
    assert float(rows[5]["ecg_hz"]) == 500 and float(rows[5]["slice_step_mm"]) == 10 and int(rows[5]["frames"]) == 2
    assert 30 < float(rows[5]["heart_rate_bpm"]) < 150


def test_label_maps_of_two_numberings_are_told_and_read_alike(good, good_found, tmp_path):
    shutil.copytree(good, tmp_path / "UKBB")
    for path in (tmp_path / "UKBB" / "NIFTI" / str(FIRST)).glob("seg_sa_E?.nii.gz"):
        stack = read_nifti(path, labels=True)
        write_nifti(path, CineStack(np.array([0, 3, 2, 1], np.uint8)[stack.voxels], stack.affine))
    found = examine_cohort(tmp_path / "UKBB")
    assert [examined.facts["acdc_numbers"] for examined in found.subjects][:2] == [1, 0]
    assert "label maps of two numberings: 1 have ACDC's and were renumbered" in str(found) and not found.clean
    assert found.subjects[0].findings == () and good_found.faults == ()


def test_a_short_ecg_with_several_flat_leads_has_each_code_once(good, tmp_path):
    (tmp_path / "UKBB" / "ecg").mkdir(parents=True)
    shutil.copytree(good / "NIFTI" / str(FIRST), tmp_path / "UKBB" / "NIFTI" / str(FIRST))
    path = shutil.copy(good / "ecg" / f"{FIRST}_20205_2_0.xml", tmp_path / "UKBB" / "ecg")
    signal = read_ecg(path).signal[:, :3000].copy()
    signal[[7, 9]] = 0
    write_cardiosoft(path, ECG(signal, 500.0))
    found = examine_cohort(tmp_path / "UKBB")
    assert {code: len(who) for code, who in found.by_code.items()} == {"ecg_lead_flat": 1, "ecg_short": 1}
    assert [finding.words for finding in found.subjects[0].findings][-1] == "it lasts 6.0 s, not 10 s"


def test_facts_and_digests_are_those_of_what_was_read(good_found):
    examined = good_found.subjects[0]
    assert set(examined.facts) == set(FACTS) - {"frame_ms"}  # ED and ES files tell no interval
    assert examined.usable and examined.labelled and set(examined.digests) == {"ecg", "mri"}


# --- headers --------------------------------------------------------------------------------------------------------


def test_headers_alone_refuse_what_training_would_refuse_by_them(ill, ill_found):
    found = examine_cohort(ill, depth="headers")
    codes = [[finding.code for finding in examined.findings] for examined in found.subjects]
    assert codes == [["ecg_truncated"], ["mri_format"], ["visit_no_mri"], [], ["mri_geometry"], []]
    assert [one.usable for one in found.subjects] == [one.usable for one in ill_found.subjects]
    assert found.subjects[5].facts.items() <= ill_found.subjects[5].facts.items()
    assert {"ecg_hz", "slices", "slice_step_mm"} <= found.subjects[5].facts.keys()


def test_headers_alone_leave_good_recordings_in_peace_and_no_voxel_is_read(good, monkeypatch):
    for place in ("cohort.cine._read_voxels", "cohort.examination.ecg_findings"):
        monkeypatch.setattr(place, lambda *_: pytest.fail("read whole"))
    found = examine_cohort(good, depth="headers")
    assert found.clean and len(found.usable) == 6 and "complete by their headers" in found.headline


def alone(good, folder, name="sa_ED.nii.gz"):
    """One person's data in a folder, and the path of an image."""
    (folder / "ecg").mkdir(parents=True)
    shutil.copytree(good / "NIFTI" / str(FIRST), folder / "NIFTI" / str(FIRST))
    shutil.copy(good / "ecg" / f"{FIRST}_20205_2_0.xml", folder / "ecg")
    return folder / "NIFTI" / str(FIRST) / name


def codes_by_headers(data):
    (examined,) = examine_cohort(data, depth="headers").subjects
    return [finding.code for finding in examined.findings]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda content: content[:-1000], "mri_truncated"),
        (lambda content: content + bytes(range(100)), "mri_damaged"),
        (lambda content: b"", "mri_empty"),
    ],
)
def test_a_nifti_whose_end_contradicts_its_header_is_read_whole(good, tmp_path, spoil, code):
    path = alone(good, tmp_path / "UKBB")
    path.write_bytes(spoil(path.read_bytes()))
    assert codes_by_headers(tmp_path / "UKBB") == [code]


def test_a_nifti_in_many_gzip_blocks_is_read_whole_and_left_in_peace(good, tmp_path):
    path = alone(good, tmp_path / "UKBB")
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:70000]) + gzip.compress(content[70000:]))
    assert codes_by_headers(tmp_path / "UKBB") == []


def test_a_cine_without_orientation_or_of_one_frame_is_refused_by_its_header(good, tmp_path):
    path = alone(good, tmp_path / "UKBB", "sa.nii.gz")
    stack = read_nifti(path.with_name("sa_ED.nii.gz"))
    for other in path.parent.iterdir():
        other.unlink()
    voxels = np.concatenate([stack.voxels] * 20, axis=3)
    write_nifti(path, CineStack(voxels, np.diag([1.8, 1.8, 10.0, 1.0]), 0.04))
    assert codes_by_headers(tmp_path / "UKBB") == ["mri_orientation"]
    write_nifti(path, CineStack(voxels[..., :1], stack.affine))
    assert codes_by_headers(tmp_path / "UKBB") == ["mri_frames"]
    write_nifti(path, CineStack(voxels, stack.affine, 0.12))
    assert codes_by_headers(tmp_path / "UKBB") == ["mri_frames"]  # too far apart
    write_nifti(path, CineStack(voxels, stack.affine, 0.04))
    assert codes_by_headers(tmp_path / "UKBB") == []


@pytest.fixture
def zipped(good, tmp_path):
    """One person with a zip of field 20209."""
    (tmp_path / "UKBB" / "ecg").mkdir(parents=True)
    shutil.copy(good / "ecg" / f"{FIRST}_20205_2_0.xml", tmp_path / "UKBB" / "ecg")
    path = tmp_path / "UKBB" / "NIFTI" / f"{FIRST}_20209_2_0.zip"
    path.parent.mkdir()
    ed, es = (read_nifti(good / "NIFTI" / str(FIRST) / f"sa_{phase}.nii.gz") for phase in ("ED", "ES"))
    share = (1 - np.cos(np.linspace(0, 2 * np.pi, 20, endpoint=False))) / 2
    voxels = np.rint(ed.voxels + (es.voxels - ed.voxels.astype(float)) * share).astype(np.uint16)
    write_dicom_zip(path, FIRST, voxels, ed.affine, [45.0 * frame for frame in range(20)], 900.0)
    return path


def repacked(path, change):
    """The zip anew, with the members that `change` gives of (name, content)."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in change(members):
            archive.writestr(name, content)


def test_of_a_zip_the_list_and_three_images_are_read(zipped, monkeypatch):
    read = []
    inflate = cohort.dicom_files._inflated
    monkeypatch.setattr("cohort.dicom_files._inflated", lambda *a: read.append(a[2].filename) or inflate(*a))
    (examined,) = examine_cohort(zipped.parents[1], depth="headers").subjects
    assert examined.usable and examined.findings == () and examined.facts["pixel_mm"] == 1.8
    assert len(read) == 4 and read[-1] == "manifest.csv"


def test_files_that_the_manifest_names_and_that_are_not_there_are_a_finding(zipped):
    repacked(zipped, lambda members: members[:5] + members[6:])
    assert codes_by_headers(zipped.parents[1]) == ["mri_manifest"]
    (examined,) = examine_cohort(zipped.parents[1]).subjects
    assert [finding.code for finding in examined.findings if "manifest" in finding.words] == ["mri_manifest"]
    assert f"1 of the {len(zipfile.ZipFile(zipped).namelist())} files" in str(examined.findings)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda members: [("notes.txt", b"nothing")] * 30, "mri_format"),
        (lambda members: members[:8], "mri_geometry"),
        (lambda members: [(name, content[:200]) for name, content in members], "mri_truncated"),
    ],
    ids=["no DICOM", "too few files", "cut images"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_without_a_cine_is_refused_by_its_headers(zipped, change, code):
    repacked(zipped, change)
    assert codes_by_headers(zipped.parents[1]) == [code]


def test_a_zip_that_was_cut_short_is_refused_by_its_headers(zipped):
    zipped.write_bytes(zipped.read_bytes()[:-2000])
    assert codes_by_headers(zipped.parents[1]) == ["mri_truncated"]


def test_a_folder_of_dicom_files_is_glanced_at_as_its_zip_is(zipped, monkeypatch):
    folder = zipped.with_suffix("")
    zipfile.ZipFile(zipped).extractall(folder)
    zipped.unlink()
    monkeypatch.setattr("cohort.examination.read_stacks", lambda *_: pytest.fail("read whole"))
    assert codes_by_headers(folder.parents[1]) == []
    next(folder.glob("*.dcm")).unlink()
    assert codes_by_headers(folder.parents[1]) == ["mri_manifest"]


# --- the page -----------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "srcset")]


def test_the_page_is_whole_escaped_and_loads_nothing(ill_found, tmp_path):
    write_page(tmp_path / "cohort.html", ill_found, pictures=200)
    page = (tmp_path / "cohort.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.addresses and all(address.startswith("data:image/png;base64,") for address in tags.addresses)
    assert not {"script", "link", "iframe", "object", "b"} & set(tags.tags) and "&lt;b&gt;UKBB" in page
    assert "default-src 'none'" in page and not list(tmp_path.glob(".*"))


def test_the_page_says_in_words_what_the_table_says_in_keys(ill_found, tmp_path):
    write_page(tmp_path / "cohort.html", ill_found, pictures=200)
    page = (tmp_path / "cohort.html").read_text()
    keys = {*ill_found.by_code, *(key for key in FACTS if "_" in key)}
    assert len(keys) > 8 and not [key for key in keys if key in page]
    assert "<td>ECG: truncated</td><td>The ECG is left out. The file ends too early" in page
    assert "pixels of 1.8 mm" in page and " µV" in page and set(FACTS_IN_WORDS) == set(FACTS)


def test_every_finding_has_a_meaning_of_its_own():
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in Path(cohort.dicom_files.__file__).parent.glob("*.py")
    )
    codes = set(re.findall(r'Finding\("(\w+)"', source))
    assert len(codes) > 30 and codes <= set(MEANINGS)
    refused = {meaning_of(f"{part}_{reason}") for part in PARTS for reason in REASONS}
    assert len(refused) == len(PARTS) * len(REASONS) and called("mri_few_slices") == "MRI: few slices"


def test_a_person_of_two_visits_counts_once_in_the_split(tmp_path):
    whole_cohort(tmp_path, 40)
    for eid in range(FIRST, FIRST + 20):
        touch(tmp_path, f"ecg/{eid}_20205_3_0.xml", f"NIFTI/{eid}_3/sa.nii.gz")
    told = examine_cohort(tmp_path, depth="names").headline
    visits, people, *splits = map(int, re.findall(r"\b(\d+) (?:visits|people|train|validation|test)", told))
    assert visits > people == sum(splits) == 40


def test_the_strip_shows_the_whole_of_a_large_wave(good):
    ecg = read_ecg(good / "ecg" / f"{FIRST}_20205_2_0.xml")
    deep = ecg.signal.copy()
    for lead in (LEADS.index("I"), LEADS.index("V2")):  # the first and the last that are drawn
        deep[lead] *= 3 / np.abs(deep[lead]).max()
    for millivolts in (deep, -deep):
        strip = np.asarray(Image.open(io.BytesIO(draw_strip(replace(ecg, signal=millivolts)))))
        assert (strip[[0, -1]] > 200).all()  # no wave is cut at an edge
        drawn = np.flatnonzero((strip < 50).any(axis=1))
        assert np.ptp(drawn) < len(strip) - 2 and len(strip) > 132
    assert len(np.asarray(Image.open(io.BytesIO(draw_strip(replace(ecg, signal=1000 * deep)))))) < 800


def test_findings_come_first_and_pictures_are_as_many_as_asked_for(ill_found, tmp_path):
    write_page(tmp_path / "all.html", ill_found, pictures=200)
    write_page(tmp_path / "few.html", ill_found, pictures=2)
    page, few = ((tmp_path / name).read_text() for name in ("all.html", "few.html"))
    named = [int(name) for name in re.findall(r"<h3>(\d+)_2", page)]
    assert named == [FIRST + number for number in (0, 1, 2, 4, 3, 5)]  # left out, poor, nothing to object to
    assert len(re.findall("<article>", few)) == 2 and f"{FIRST + 3}_2" in few  # the rest is listed without pictures


def test_pictures_show_the_ecg_and_the_heart(good_found, tmp_path):
    write_page(tmp_path / "cohort.html", good_found, pictures=1)
    content = re.findall(r"base64,([^\"]+)", (tmp_path / "cohort.html").read_text())
    strip, heart = (np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in content)
    assert strip.shape[1] == 375 and strip.shape[0] >= 132 and heart.shape == (96, 192)
    assert (strip < 50).any(axis=0).all()  # a line from the first second to the last
    assert np.abs(heart[:, :96].astype(float) - heart[:, 96:]).mean() > 1  # ED beside ES


# --- the command --------------------------------------------------------------------------------------------------


def test_exit_codes_and_files(run, good, ill, tmp_path):
    clean = run(good, "--output", str(tmp_path / "clean"), "--quiet", "--full")
    assert (clean.returncode, clean.stderr) == (0, "") and "0 left out, 0 poor" in clean.stdout
    files = {path.name for path in (tmp_path / "clean").iterdir()} - {".lock-cohort"}
    assert files == {"subjects.csv", "cohort.html"}
    found = run(ill, "--output", str(tmp_path / "found"), "--pictures", "1", "--quiet", "--full")
    assert found.returncode == 0 and "ecg_truncated" in found.stdout
    assert "4 left out, 1 poor (used in trainings, but with a finding)" in found.stdout
    page = (tmp_path / "found" / "cohort.html").read_text()
    assert "not checked" not in found.stdout + page and page.count("<article>") == 1


def test_without_full_the_command_says_in_one_sentence_what_it_left_unchecked(run, ill, tmp_path):
    found = run(ill, "--output", str(tmp_path), "--quiet")
    page = (tmp_path / "cohort.html").read_text()
    assert found.returncode == 0 and "ecg_truncated" in found.stdout and "4 left out, 0 poor (used" in found.stdout
    assert sum("were not checked; --full checks them" in line for line in found.stdout.splitlines()) == 1
    assert "were not checked; --full checks them" in page and "<img" not in page and "ECG: truncated" in page
    assert run(ill, "--output", str(tmp_path), "--quiet", "--strict").returncode == 2
    assert "contradict each other" in run(ill, "--names-only", "--full").stderr


def test_names_alone_write_nothing_and_bad_usage_is_told_apart(run, tmp_path):
    found = run(touch(whole_cohort(tmp_path / "found", 2), "ecg/notes.txt"), "--names-only")
    assert (
        found.returncode == 0
        and "passed over: 1 .txt files such as notes.txt" in found.stdout
        and "2 visits complete" in found.stdout
    )
    assert [path.name for path in tmp_path.iterdir()] == ["found"]
    strict = run(tmp_path / "found", "--names-only", "--strict")
    assert strict.returncode == 2 and strict.stderr.startswith("error: ") and strict.stderr.count("\n") == 1
    sound = run(whole_cohort(tmp_path / "sound", 2), "--names-only", "--strict")
    assert (sound.returncode, sound.stderr) == (0, "")
    nobody = run(touch(tmp_path / "nobody", "ecg/9000001_20205_2_0.xml"), "--names-only")
    assert nobody.returncode == 2 and "holds nobody who can be used" in nobody.stderr
    absent = run(tmp_path / "absent")
    assert absent.returncode == 2 and absent.stderr.startswith("error: ") and absent.stderr.count("\n") == 1
    assert run(tmp_path / "found", "--no-such-option").returncode == 2


def test_a_process_ends_with_code_2_and_one_line(tmp_path):
    """Once as a real process."""
    command = [sys.executable, "-m", "cohort.report", "--data", str(tmp_path / "absent")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_prepared_arrays_are_told_from_an_empty_folder(tmp_path):
    (tmp_path / "prepared.json").write_text("{}")
    with pytest.raises(InputError, match="arrays that are prepared already"):
        main(tmp_path)


def test_help_waits_for_nothing_that_reads_recordings():
    ask = "import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_module('cohort.report', run_name='__main__')"
    listed = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {ask}"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0 and "--names-only" in done.stdout
    assert not {"numpy", "nibabel", "scipy", "wfdb", "PIL"} & set(done.stderr.split())
