"""People with an ECG: joined, taken by number, and who of them teaches."""

import numpy as np
import pytest
import torch

from cohort.phenotypes import PHENOTYPES
from tests.training.small_people import (
    SAMPLES,
    TRAIN_EIDS,
    cohort_of_splits,
    crowd,
    further_people,
    measured_people,
    phenotype_conditioner,
)
from training.ecg_set import EcgSet, training_ecgs, validation_ecgs
from training.targets import standardised_phenotypes


def test_cohorts_are_joined_in_their_order_and_rows_keep_theirs():
    (one, codes), (other, other_codes) = crowd(6), crowd(4, seed=1)
    rows = np.array([4, 0, 5])
    joined = EcgSet.of((one, rows, codes[rows]), (other, np.arange(4), other_codes))
    assert len(joined) == 7
    which = torch.tensor([6, 1, 0, 3])  # the other's last, the one's rows 0 and 4, the other's first
    ecg, lead_mask, person, found = joined.take(which)
    assert ecg.dtype == torch.float32 and ecg.shape == (4, 12, SAMPLES) and lead_mask.dtype == torch.bool
    np.testing.assert_array_equal(ecg, np.stack([other.ecg[3], one.ecg[0], one.ecg[4], other.ecg[0]]))
    np.testing.assert_array_equal(person, np.stack([other.person[3], one.person[0], one.person[4], other.person[0]]))
    assert torch.equal(found, torch.stack([other_codes[3], codes[0], codes[4], other_codes[0]]))


def test_what_is_not_known_of_a_person_stays_unknown():
    cohort, codes = crowd(5)
    codes[2, 0], codes[4] = torch.nan, torch.nan
    cohort.person[1, 3], cohort.lead_mask[3, 8] = np.nan, False
    _, lead_mask, person, found = EcgSet.of((cohort, np.arange(5), codes)).take(torch.arange(5))
    assert torch.equal(found.isnan(), codes.isnan()) and found.isnan().sum() == 3
    assert person.isnan().sum() == 1 and person[1, 3].isnan() and not lead_mask[3, 8] and lead_mask.sum() == 59


def test_the_first_of_them_are_the_first():
    (one, codes), (other, other_codes) = crowd(3), crowd(3, seed=1)
    joined = EcgSet.of((one, np.arange(3), codes), (other, np.arange(3), other_codes))
    first = joined.first(4)
    assert len(first) == 4 and len(joined.first(100)) == 6
    for a, b in zip(first.take(torch.arange(4)), joined.take(torch.arange(4)), strict=True):
        assert torch.equal(a, b)


# ---- Who teaches ----


@pytest.fixture
def cohort():
    return cohort_of_splits()


def taught(cohort, extra, conditioner):
    """Whom a ceiling of this conditioner learns from."""
    return training_ecgs(cohort, standardised_phenotypes(cohort.phenotypes, conditioner), extra, conditioner)


def phenotypes_of(people, names=PHENOTYPES):
    """The phenotypes of recordings, in their own units."""
    columns = [PHENOTYPES.index(name) for name in names]
    expected = [people.cohorts[number].phenotypes[row][columns] for number, row in people.places.tolist()]
    np.testing.assert_allclose(people.codes * 20 + 100, expected, rtol=1e-4)
    return np.array(expected)


def test_it_learns_from_the_training_people_and_stops_by_those_of_validation(cohort):
    train = taught(cohort, None, phenotype_conditioner())
    held_out = validation_ecgs(cohort, standardised_phenotypes(cohort.phenotypes, phenotype_conditioner()))
    assert train.places[:, 1].tolist() == cohort.rows("train").tolist()
    assert held_out.places[:, 1].tolist() == cohort.rows("validation").tolist()
    assert (len(train), len(held_out)) == (16, 4)
    phenotypes_of(train), phenotypes_of(held_out)


def test_further_people_of_later_splits_teach_nobody(cohort):
    extra = measured_people(30, 1)  # eids 0 to 29, of all three splits
    allowed = [eid for eid in TRAIN_EIDS if eid < 30]
    train = taught(cohort, extra, phenotype_conditioner())
    assert 0 < len(allowed) < 30 and train.places[16:, 1].tolist() == allowed


def test_further_people_are_learned_from(cohort):
    extra = further_people(9)
    train = taught(cohort, extra, phenotype_conditioner())
    assert train.places[:, 0].tolist() == [0] * 16 + [1] * 9
    phenotypes_of(train)
    np.testing.assert_array_equal(train.take(torch.tensor([24]))[0][0], extra.ecg[8])


def test_of_further_people_the_phenotypes_are_known_and_not_the_pictures(cohort):
    codes = torch.cat([standardised_phenotypes(cohort.phenotypes, phenotype_conditioner()), torch.ones(24, 3)], dim=1)
    codes = training_ecgs(cohort, codes, further_people(9), phenotype_conditioner()).codes
    assert codes.shape == (25, len(PHENOTYPES) + 3) and not codes[:, : len(PHENOTYPES)].isnan().any()
    assert (codes[:16, -3:] == 1).all() and codes[16:, -3:].isnan().all()


def test_only_the_phenotypes_meant_are_taught_and_unknown_ones_stay_unknown(cohort):
    cohort.phenotypes[0, PHENOTYPES.index("LVM")] = np.nan
    train = taught(cohort, None, phenotype_conditioner(("LVM", "RVEF")))
    assert train.codes.shape == (16, 2)
    assert train.codes.isnan().nonzero().tolist() == [[0, 0]]
    phenotypes_of(train, ("LVM", "RVEF"))
