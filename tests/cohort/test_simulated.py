"""Phantoms of another version than those that taught a pipeline are told apart from its own."""

import json

import pytest

from cohort.simulated import phantom_version, version_above, warning_of_version


@pytest.fixture
def cohort(tmp_path):
    """A folder that says it is a phantom cohort of version 2, with an ECG as deep as the platform has it."""
    ecg = tmp_path / "UKBB" / "Bulk" / "Electrocardiogram" / "Resting" / "90" / "one.xml"
    ecg.parent.mkdir(parents=True)
    ecg.write_text("<a/>")
    (tmp_path / "UKBB" / "cohort.json").write_text(json.dumps({"version": 2}))
    return tmp_path / "UKBB"


def test_the_version_is_found_from_any_file_of_the_cohort(cohort):
    (ecg,) = cohort.rglob("*.xml")
    assert version_above(ecg) == version_above(cohort) == 2
    assert version_above(cohort.parent) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "2"}', '{"version": true}', "[" * 100_000])
def test_what_says_no_version_is_of_none(tmp_path, text):
    (tmp_path / "cohort.json").write_text(text)
    assert phantom_version(tmp_path) is None


def test_only_another_version_is_warned_of(cohort):
    warning = warning_of_version({"phantom_version": 1}, cohort)
    assert "phantom version 2, and version 1 taught" in warning and "draws one version alone" in warning
    assert not warning_of_version({"phantom_version": 2}, cohort)
    assert not warning_of_version({}, cohort), "real people taught it, or nobody knows"
    assert not warning_of_version({"phantom_version": 1}, cohort.parent), "these are no phantoms"
