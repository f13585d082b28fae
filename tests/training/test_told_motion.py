"""motion.csv in a training: whom it teaches, and what a cine contradicts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError
from cohort.motion_table import COLUMNS, KnownBeat, motion_row
from cohort.places import CohortPlaces
from cohort.subjects import split_of
from cohort.table import write_table
from models.autoencoder import SliceAutoencoder
from models.presets import PRESETS
from tests.training.small_people import session_in
from tests.training.test_motion_stage import cines  # noqa: F401  the fixture
from training.ceiling import ceiling
from training.ecg_set import training_ecgs
from training.motion_targets import FEWEST_COMPARED, contradicted, motion_targets
from training.networks import fresh_regressor
from training.options import DiffusionOptions
from training.stages import Training, condition_stage, recorded_settings, with_lengths
from training.targets import heart_codes
from training.told_motion import ToldMotion, tables_sha256, told_motion


def known(beat):
    """The row of a measured beat."""
    row = motion_row(beat)
    inside = [1.0, *(row[name] for name in COLUMNS if name.startswith("inside_"))]
    return KnownBeat(beat.numbers, np.array(inside))


@pytest.fixture
def few(prepared, cines):  # noqa: F811
    """Cines of all but the last two training people, and the row of another of them for the last."""
    rows = prepared.rows("train")
    kept = replace(cines, rows=rows[:-2], images=cines.images[rows[:-2]], labels=cines.labels[rows[:-2]])
    return kept, int(rows[-1]), motion_targets(prepared, kept)


def test_a_row_of_the_table_teaches_whom_no_cine_shows(prepared, few):
    kept, stranger, alone = few
    donor = max(number for number, beat in enumerate(alone.beats) if beat and beat.closes)
    told = ToldMotion({stranger: known(alone.beats[donor])}, {})
    targets = motion_targets(prepared, kept, told=told)
    assert np.isnan(alone.values[stranger]).all() and np.isfinite(targets.values[stranger]).all()
    np.testing.assert_allclose(
        targets.values[stranger], targets.values[kept.rows[donor]], atol=0.15
    )  # its 20 frames became 25
    assert targets.refused == 0 and len(targets.beats) == len(kept.rows)


def test_a_number_of_the_table_goes_before_the_cines_and_a_gap_does_not(prepared, few):
    kept, _, alone = few
    number = max(number for number, beat in enumerate(alone.beats) if beat and beat.closes)
    row, beat = int(kept.rows[number]), alone.beats[number]
    told = KnownBeat(beat.numbers | {"dyssynchrony": 0.123, "atrial_share": float("nan")}, None)
    targets = motion_targets(prepared, kept, told=ToldMotion({row: told}, {}))
    named, before = (dict(zip(t.names, t.values[row], strict=True)) for t in (targets, alone))
    assert named["dyssynchrony"] == pytest.approx(0.123) and named["atrial_share"] == before["atrial_share"]


def test_a_row_that_the_cine_contradicts_is_not_used(prepared, few):
    kept, _, alone = few
    number = max(number for number, beat in enumerate(alone.beats) if beat and beat.closes)
    row, beat = int(kept.rows[number]), alone.beats[number]
    late = replace(known(beat), numbers=beat.numbers | {"ES_share": beat.es + 0.2})
    flat = replace(known(beat), inside=np.where(np.arange(25) > 12, 0.0, 1.0))
    for other in (late, replace(late, inside=None), flat):
        targets = motion_targets(prepared, kept, told=ToldMotion({row: other}, {}))
        assert targets.refused == 1
        np.testing.assert_array_equal(targets.values[row], alone.values[row])


def test_a_table_of_other_people_is_refused(few):
    kept, _, alone = few
    measured = {int(row): beat for row, beat in zip(kept.rows, alone.beats, strict=True) if beat and beat.closes}
    assert len(measured) >= FEWEST_COMPARED
    late = {row: replace(known(b), numbers=b.numbers | {"ES_share": b.es + 0.2}) for row, b in measured.items()}
    with pytest.raises(InputError, match="other beats than the cines"):
        contradicted(late, measured)
    assert contradicted({row: known(beat) for row, beat in measured.items()}, measured) == set()


@pytest.fixture
def further(prepared, few, tmp_path):
    """Three people without an MRI, the targets that their table makes, and the beat in its rows.

    The second person's row is of another visit.
    """
    kept, _, alone = few
    beat = next(beat for beat in alone.beats if beat and beat.closes)
    eids = [eid for eid in range(9_100_000, 9_101_000) if split_of(eid) == "train"][:3]
    arrays = {name: np.array(getattr(prepared, name)[:3]) for name in ("ecg", "lead_mask", "person", "phenotypes")}
    extra = ECGCohort(tmp_path, **arrays, eid=np.array(eids), instance=np.array([2, 3, 2]))
    rows = [(eid, 2, *motion_row(beat).values()) for eid in eids]
    write_table(tmp_path / "motion.csv", ("eid", "instance", *COLUMNS), rows)
    told = told_motion(CohortPlaces(prepared.folder), prepared, tmp_path, extra)
    assert set(told.more) == {0, 2} and "2 without an MRI" in str(told)
    return extra, motion_targets(prepared, kept, told=told), beat


def motion_of_further(codes, targets):
    """(3, M) of the three people, who stand last."""
    return codes[-3:, -len(targets.names) :]


def test_people_without_an_mri_teach_motion_by_their_own_rows(prepared, few, further):
    (kept, _, alone), (extra, targets, beat) = few, further
    assert np.isnan(targets.more[1]).all() and np.isfinite(targets.more[[0, 2]]).all()
    regressor = fresh_regressor(prepared, PRESETS["nano"], components=0, motion=targets)
    codes = heart_codes(prepared, None, regressor.conditioner, targets)
    motion = motion_of_further(
        training_ecgs(prepared, codes, extra, regressor.conditioner, targets.more).codes, targets
    )
    assert motion[[0, 2]].isfinite().all() and motion[1].isnan().all()
    its_own = codes[int(kept.rows[alone.beats.index(beat)]), -len(targets.names) :]
    numbers = [k for k, name in enumerate(targets.names) if not name.startswith("curve_")]  # 20 frames became 25
    assert torch.allclose(motion[0, numbers], its_own[numbers])


def test_both_regressions_learn_motion_of_further_people(prepared, further, tiny_preset, tmp_path, monkeypatch):
    extra, targets, _ = further
    _, train, _ = ceiling(session_in(tmp_path), prepared, extra, tiny_preset, motion=targets)
    assert motion_of_further(train.codes, targets)[[0, 2]].isfinite().all()
    regressor = fresh_regressor(prepared, tiny_preset, components=0, motion=targets)
    codes = heart_codes(prepared, None, regressor.conditioner, targets)
    learned = []
    monkeypatch.setattr("training.stages.fit", lambda *_: None)
    monkeypatch.setattr("training.stages.code_regression", lambda *given: learned.append(given[3]))
    training = Training(with_lengths(DiffusionOptions(output=tmp_path), "cpu"), None, prepared, extra)
    monkeypatch.setattr(Training, "session", lambda *_: None)
    training.regressor, training.codes, training.motion_targets = regressor, codes, targets
    condition_stage(training)
    assert motion_of_further(learned[0].codes, targets)[[0, 2]].isfinite().all()


def test_a_changed_table_is_another_training(tmp_path):
    assert tables_sha256(tmp_path, None) == {}
    write_table(tmp_path / "motion.csv", ("eid", "ES_share"), [(9000001, 0.4)])
    first = tables_sha256(tmp_path, None)
    write_table(tmp_path / "motion.csv", ("eid", "ES_share"), [(9000001, 0.5)])
    assert first != tables_sha256(tmp_path, None) != {}


def test_a_training_whose_tables_changed_is_not_continued(prepared, cines, further, tmp_path):  # noqa: F811
    extra, autoencoder = further[0], SliceAutoencoder(8)
    options = with_lengths(DiffusionOptions(data=prepared.folder, more_ecgs=extra.folder), "cpu")
    with_table = recorded_settings(options, prepared, extra, autoencoder, cines)
    (extra.folder / "motion.csv").unlink()
    without = recorded_settings(options, prepared, extra, autoencoder, cines)
    assert with_table.pop("motion_tables") and with_table == without
