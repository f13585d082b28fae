"""The page of a folder of patients."""

import json
import re
from html import unescape

import numpy as np

from cohort.heart_grid import GridGeometry
from cohort.pseudonym import OWN_NAMES, Naming
from sampling.decision_rows import OF_SIMULATED
from sampling.index_page import write_index
from sampling.outputs import write_patient
from sampling.red_line import RED_LINE
from sampling.refused_table import REFUSED
from sampling.unlike import NO_PHENOTYPES

GEOMETRY = GridGeometry(slices=4, phases=2, height=20, width=24)
OWN = {"measured_by": "its own label maps"}
SAID = "Learned from simulated."
HEARTS = np.random.default_rng(0).random((1, *GEOMETRY.shape), dtype=np.float32)


def write(folder, page: str | None = "<p>page</p>", **about):
    record = {"subject": folder.name, "samples": 1, "warnings": [], "phenotypes": {"LVEF": {"mean": 55.4}}} | about
    write_patient(folder, HEARTS, GEOMETRY, record, page=page)


def test_every_patient_with_a_page_has_a_row_with_picture_numbers_and_warnings(tmp_path):
    write(tmp_path / "one", warnings=["<b>odd</b> beat"])
    write(tmp_path / "two & 3", phenotypes=None, phenotypes_withheld="withheld: unlike")
    write(tmp_path / "without", page=None)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "heart.html").write_text("somebody's")
    assert write_index(tmp_path, OWN_NAMES) == 2
    page = (tmp_path / "index.html").read_text()
    rows = re.findall(r"<tr><th scope=.row.>.*?</tr>", page, re.DOTALL)
    assert len(rows) == 2 and all("data:image/jpeg;base64," in row for row in rows)
    assert 'href="one/heart.html"' in rows[0] and 'href="two%20%26%203/heart.html"' in rows[1]
    assert "55 %" in rows[0] and "<b>" not in page and "<b>odd</b> beat." in unescape(rows[0])
    assert "Withheld: unlike." in rows[1] and "two &amp; 3" in rows[1]
    assert RED_LINE in page and not re.search(r'(src|href)="(?!data:|one/|two)', page)


def test_the_true_hearts_number_stands_below_the_one_told(tmp_path):
    write(tmp_path / "one", true_heart=OWN | {"phenotypes": {"LVEF": 48.6, "LVEDV": 151.2, "LVM": None}})
    write(tmp_path / "two", true_heart=None)
    write_index(tmp_path, OWN_NAMES)
    page = (tmp_path / "index.html").read_text()
    with_true, without = re.findall(r"<tr><th scope=.row.>.*?</tr>", page, re.DOTALL)
    assert "55 %<small>true 49 %</small>" in with_true and "–<small>true 151 mL</small>" in with_true
    assert with_true.count("<small>true") == 2 and "true" not in without
    assert "True: what the heart of the MRI measures, by its own label maps." in page and "Real:" not in page
    (tmp_path / "one" / "heart.html").unlink()
    write_index(tmp_path, OWN_NAMES)
    assert "True: what" not in (tmp_path / "index.html").read_text()


def test_what_a_network_measured_of_an_mri_is_not_called_true(tmp_path):
    write(tmp_path / "one", true_heart={"measured_by": "a segmenter", "phenotypes": {"LVEF": 48.6}})
    write_index(tmp_path, OWN_NAMES)
    page = (tmp_path / "index.html").read_text()
    assert "<small>real 49 %</small>" in page and "true 49" not in page
    assert "Real: real, measured by a network" not in page and "Real: measured by a network" in page
    assert "True:" not in page


def test_refused_ecgs_stand_there_by_name_and_reason_though_no_heart_was_drawn(tmp_path):
    row = '"/data/<b>.xml",empty,is empty,export it again'
    (tmp_path / REFUSED).write_text(f"file,code,fault,remedy\n{row}\n")
    assert write_index(tmp_path, OWN_NAMES) == 0
    page = (tmp_path / "index.html").read_text()
    assert "0 generated hearts, 1 ECG refused" in page and "<table>" not in page and "No heart was drawn." in page
    assert "<strong>&lt;b&gt;.xml</strong>: is empty; export it again." in page and "/data" not in page
    write(tmp_path / "one")
    assert write_index(tmp_path, OWN_NAMES) == 1
    assert "1 generated heart, 1 ECG refused" in (tmp_path / "index.html").read_text()
    for damaged in ("", "a,b\n1,2\n", "file,code\n\0"):
        (tmp_path / REFUSED).write_text(damaged)
        write_index(tmp_path, OWN_NAMES)
        assert "refused" not in (tmp_path / "index.html").read_text().partition("<body>")[2]


def test_rows_whose_numbers_are_of_simulated_patients_say_so_and_the_page_once(tmp_path):
    write(tmp_path / "phantom", decision_support={"told_by": "codes"})
    write_index(tmp_path, OWN_NAMES)
    assert OF_SIMULATED not in (tmp_path / "index.html").read_text()
    write(tmp_path / "real", decision_support=None, decision_support_withheld="withheld: not proven")
    write(tmp_path / "shown", decision_support={"unproven": "UNPROVEN"})
    nothing = {"phenotypes": None, "decision_support": None}
    write(tmp_path / "unlike", **nothing, decision_support_withheld="unlike", phenotypes_withheld="unlike")
    write_index(tmp_path, OWN_NAMES)
    page = (tmp_path / "index.html").read_text()
    rows = re.findall(r"<tr><th scope=.row.>.*?</tr>", page, re.DOTALL)
    assert page.count(OF_SIMULATED) == 1
    assert ["numbers of simulated patients" in row for row in rows] == [False, True, True, False]


def test_warnings_of_several_patients_stand_once_and_a_persons_own_in_the_row(tmp_path):
    simulated, unlike = SAID[0].lower() + SAID[1:-1], f"unlike; {NO_PHENOTYPES}"
    write(tmp_path / "a", warnings=["lead V1 is odd", simulated])
    write(tmp_path / "b", warnings=[unlike, simulated], phenotypes=None, phenotypes_withheld=f"{NO_PHENOTYPES}: unlike")
    write(tmp_path / "c", warnings=[])
    write_index(tmp_path, OWN_NAMES)
    page = (tmp_path / "index.html").read_text()
    rows = re.findall(r"<tr><th scope=.row.>.*?</tr>", page, re.DOTALL)
    assert page.count(SAID) == 1 and f"<li>{SAID}</li>" in page.partition("<table>")[0]
    assert "<li>Lead V1 is odd.</li><li>above: 1</li>" in rows[0] and rows[1].lower().count(NO_PHENOTYPES) == 1
    assert "above: 1" in rows[1] and ">none<" in rows[2]
    for name in "bc":
        (tmp_path / name / "heart.html").unlink()
    write_index(tmp_path, OWN_NAMES)
    assert f"<li>{SAID}</li></ul>" in (tmp_path / "index.html").read_text()


def test_with_a_key_whatever_may_be_an_eid_is_hidden(tmp_path):
    folder = tmp_path / "0123456789abcdef"
    write(folder, warnings=["persons.csv says 9000001 is older"])
    write_index(tmp_path, Naming(b"k" * 16))
    assert "9000001" not in (tmp_path / "index.html").read_text()


def test_a_damaged_record_or_picture_leaves_the_others_alone(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path / name)
    (tmp_path / "a" / "heart.json").write_text("{")
    (tmp_path / "b" / "sa_ED.nii.gz").write_bytes(b"no NIfTI")
    assert write_index(tmp_path, OWN_NAMES) == 2
    page = (tmp_path / "index.html").read_text()
    assert 'href="a/' not in page and 'href="b/' in page and page.count("data:image") == 1
    assert json.loads((tmp_path / "c" / "heart.json").read_text())["files"]["heart.html"]
