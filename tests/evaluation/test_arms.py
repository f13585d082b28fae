"""The proof's arms, controls and training people: who is shown whose ECG, and what is measured on whom.

The people here are drawn, not scanned: every one has another heart, another ECG and other leads.
"""

import csv
import inspect
import json
import pkgutil
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

import evaluation.plots
from cohort.cine import Label
from cohort.intensity import as_unit
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import ARRAYS, Preparation, PreparedCohort
from cohort.subjects import split_of
from evaluation.certainty import interval
from evaluation.curves import measure_curves
from evaluation.measuring import load_measured, measured
from evaluation.opening import open_training_people
from evaluation.record import record_of
from evaluation.report import control_numbers, segmenter_numbers
from evaluation.scale import SCALES
from evaluation.study import Study
from evaluation.study_report import build_report, control_phenotypes, label_maps, memorisation_report
from evaluation.training_people import TrainingPeople
from phantom.cohort_writer import FIRST_EID
from sampling.measured_phenotypes import measured_phenotypes
from sampling.patients import prepared_patients
from sampling.pipeline import DrawnHearts, sample_generator

PEOPLE = {"train": 30, "validation": 4, "test": 6}
SHADES = np.array([0.0, 0.9, 0.4, 0.7])  # of Label
TAKES = 3  # hearts of each patient
ARMS = {  # whose ECG is shown, and whether the person is
    "generated": ("own", True),
    "shuffled_ecg": ("another's", True),
    "person_only": (None, True),
    "ecg_only": ("own", False),
    "population": (None, False),
}


# ---- What is tested: the only lines that know where it lives ----


def study_of(people, pipeline, segmenter=None, folder=None, **options):
    return Study(
        pipeline, folder, segmenter, people.cohort, people.rows, **{"samples": TAKES, "batch_size": 4} | options
    )


def hearts_of_arm(arm, pipeline, people, mine=None, **options):
    """Hearts (m, slices, phases, height, width) of everybody measured, or of those numbered `mine`."""
    mine = range(len(people.patients)) if mine is None else mine
    return [hearts for hearts, *_ in study_of(people, pipeline, **options).hearts(arm, mine)]


def measure_arm(arm, pipeline, segmenter, people, folder):
    study_of(people, pipeline, segmenter).measure(arm, folder, Accelerator(cpu=True).state)


def curves_of(pipeline, segmenter, people, folder):
    measure_curves(study_of(people, pipeline, segmenter), folder, Accelerator(cpu=True).state)


def training_people(pipeline, folder, people):
    return open_training_people(study_of(people, pipeline, folder=folder), None, None)


def training_controls(pipeline, segmenter, people, training):
    """Phenotypes (n, K) by control."""
    return control_phenotypes(study_of(people, pipeline, segmenter), {}, training)


def copies_report(pipeline, generated, people, training):
    return memorisation_report(study_of(people, pipeline), generated, training)


def segmenter_report(segmenter, people, judged):
    return segmenter_numbers(judged, *label_maps(study_of(people, None, segmenter)), judged)


def control_report(pipeline, segmenter, folder, people, arms):
    study = study_of(people, pipeline, segmenter, folder)
    return control_numbers(control_phenotypes(study, arms, None), study.truth)


def report_of(pipeline, segmenter, folder, people, arms, data):
    """The numbers of a report, and its picture of hearts."""
    study = study_of(people, pipeline, segmenter, folder)
    vars(study)["codes"] = 2 * arms["generated"].phenotypes  # of LVEF, some are too large to be
    report, pictures = build_report(study, arms, None, data)
    return report, pictures["hearts"]


def name_of_measurements(folder, people, pipeline, scheduler=None, **options):
    study = study_of(people, pipeline, folder=folder, **options)
    return record_of(study, "test", scheduler, folder / "segmenter")["measurements"]


@pytest.fixture
def few_draws(monkeypatch):
    """Intervals are of two draws."""
    for measure in ("evaluation.bootstrap.with_intervals", "evaluation.report.by_phenotype"):
        monkeypatch.setitem(pkgutil.resolve_name(measure).__kwdefaults__, "draws", 2)


@pytest.fixture
def no_curves(monkeypatch):
    """None is drawn."""
    for name, _ in inspect.getmembers(evaluation.plots, inspect.isfunction):
        monkeypatch.setattr(evaluation.plots, name, lambda *_: b"")


# ---- Who is measured, and by what ----


@dataclass(frozen=True)
class People:
    """A cohort, and the rows of it that are measured."""

    cohort: PreparedCohort
    rows: np.ndarray

    @property
    def patients(self):
        return prepared_patients(self.cohort, self.rows)


def eids():
    """Numbers of as many people as PEOPLE says, their splits mixed."""
    chosen, left, eid = [], dict(PEOPLE), FIRST_EID
    while any(left.values()):
        if left[split_of(eid)]:
            left[split_of(eid)] -= 1
            chosen.append(eid)
        eid += 1
    return np.array(chosen)


def label_map(rng, shape):
    """A ring of wall about a cavity, and an RV on its left: other sizes at every phase."""
    _, phases, height, width = shape
    row, column = np.mgrid[:height, :width] - np.array([height, width])[:, None, None] / 2
    labels = np.zeros(shape, np.uint8)
    for phase in range(phases):
        cavity, wall = rng.uniform(3, 6) - phase, rng.uniform(2, 4)
        labels[:, phase][:, np.hypot(row, column + 6) < cavity + wall] = Label.RV_CAVITY
        labels[:, phase][:, np.hypot(row, column) < cavity + wall] = Label.LV_MYOCARDIUM
        labels[:, phase][:, np.hypot(row, column) < cavity] = Label.LV_CAVITY
    return labels


@pytest.fixture(scope="module")
def people(geometry, tmp_path_factory):
    """Everybody of the test split is measured."""
    rng, everybody = np.random.default_rng(0), eids()
    n = len(everybody)
    labels = np.stack([label_map(rng, geometry.shape) for _ in range(n)])
    mask = rng.random((n, geometry.slices, geometry.phases)) < 0.8
    mask[:, 1] = True
    cohort = PreparedCohort(
        folder=tmp_path_factory.mktemp("cohort"),
        preparation=Preparation(geometry),
        hearts=np.round(255 * SHADES[labels] * mask[..., None, None]).astype(np.uint8),
        mask=mask,
        labels=labels,
        affine=np.tile(np.eye(4), (n, 1, 1)),
        ecg=rng.normal(size=(n, 12, 2500)).astype(np.float16),
        lead_mask=rng.random((n, 12)) < 0.7,
        person=rng.normal([0.5, 60, 170, 80], [0.1, 8, 9, 12], (n, 4)).astype(np.float32),
        phenotypes=np.stack([measured_phenotypes(one, geometry) for one in labels]).astype(np.float32),
        eid=everybody,
        instance=np.full(n, 2),
    )
    assert list(cohort.rows("test")) != list(range(PEOPLE["test"]))
    return People(cohort, cohort.rows("test"))


class ReadsShades:
    """A segmenter that cannot err on these hearts; it may put all it finds some columns too far right."""

    device = torch.device("cpu")

    def __init__(self, shift=0):
        self.shift = shift

    def logits_and_features(self, slices):
        logits = -(slices - torch.tensor(SHADES).float().view(1, -1, 1, 1)).abs()
        return logits.roll(self.shift, dims=3), slices.mean(dim=(2, 3))


class Recorder:
    """Stands for a pipeline: keeps what it is given of every heart, and draws an empty one."""

    def __init__(self, geometry):
        self.grid, self.given = geometry, []
        self.config = SimpleNamespace(guidance_scale=1.0, steps=8)
        told = SimpleNamespace(phenotypes=("LVM",), phenotype_mean=(100.0,), phenotype_std=(20.0,))
        self.conditioner = SimpleNamespace(config=told)

    def draw(self, condition, generators, steps=None, guidance_scale=None):
        c = condition
        parts = zip(c.ecg, c.lead_mask, c.person, c.ecg_present, c.person_present, generators, strict=True)
        for ecg, lead_mask, person, ecg_present, person_present, generator in parts:
            noise = torch.randn(4, generator=generator).tolist()
            shown = {"ecg": ecg.numpy() if ecg_present else None, "leads": lead_mask.numpy()}
            shown |= {"person": person.numpy() if person_present else None, "noise": noise}
            self.given.append(SimpleNamespace(**shown, steps=steps, guidance_scale=guidance_scale))
        return DrawnHearts(torch.zeros(len(generators), *self.grid.shape), torch.zeros(len(generators), 1))

    def decode(self, latents):
        return latents

    def reconstruct(self, heart):
        return 1 - heart


@pytest.fixture
def recorder(geometry):
    return Recorder(geometry)


def owner_of(ecg, leads, patients):
    """The number of the patient whose ECG this is, leads and all."""
    (number,) = [k for k, p in enumerate(patients) if np.array_equal(p.signal, ecg)]
    np.testing.assert_array_equal(patients[number].lead_mask, leads)
    return number


# ---- Arms ----


@pytest.mark.parametrize("arm", ARMS)
def test_each_arm_shows_exactly_what_its_name_says(recorder, people, arm):
    whose, person_shown = ARMS[arm]
    samples = [len(hearts) for hearts in hearts_of_arm(arm, recorder, people)]
    assert samples == [TAKES if arm == "generated" else 2] * len(people.patients)
    jobs = [(k, sample) for k, count in enumerate(samples) for sample in range(1, count + 1)]
    owners = {}
    for (k, sample), given in zip(jobs, recorder.given, strict=True):
        patient = people.patients[k]
        assert given.noise == torch.randn(4, generator=sample_generator(0, patient.name, sample)).tolist()
        assert (given.person is not None) is person_shown and (given.ecg is not None) is (whose is not None)
        if person_shown:
            np.testing.assert_array_equal(given.person, patient.person)
        if whose:
            owners.setdefault(k, set()).add(owner_of(given.ecg, given.leads, people.patients))
    for k, shown in owners.items():
        assert len(shown) == 1 and (k in shown) is (whose == "own")
    assert not owners or set.union(*owners.values()) == set(range(len(people.patients)))  # everybody's once


def test_whose_ecg_a_patient_is_shown_does_not_depend_on_who_is_left_to_measure(recorder, people):
    """Processes share the patients, and an interrupted evaluation has some of them already."""
    hearts_of_arm("shuffled_ecg", recorder, people)
    together, recorder.given = recorder.given[::2], []
    for k in (4, 1):
        hearts_of_arm("shuffled_ecg", recorder, people, mine=[k])
        np.testing.assert_array_equal(recorder.given[-1].ecg, together[k].ecg)


def test_hearts_are_made_as_the_options_say(recorder, people):
    hearts_of_arm("generated", recorder, people, steps=5, guidance_scale=1.7, seed=3)
    assert {(given.steps, given.guidance_scale) for given in recorder.given} == {(5, 1.7)}
    expected = torch.randn(4, generator=sample_generator(3, people.patients[0].name, 1)).tolist()
    assert recorder.given[0].noise == expected


def test_true_hearts_are_those_of_the_people_measured(recorder, people):
    true = as_unit(people.cohort.hearts[people.rows])
    np.testing.assert_allclose([h[0] for h in hearts_of_arm("real", recorder, people)], true)
    acquired = people.cohort.mask[people.rows][..., None, None]
    assert not acquired.all()
    reconstructed = [h[0] for h in hearts_of_arm("reconstructed", recorder, people)]
    np.testing.assert_allclose(reconstructed, np.where(acquired, 1 - true, 0))


def test_a_heart_is_judged_on_the_slices_its_own_patient_has(recorder, people, tmp_path):
    measure_arm("real", recorder, ReadsShades(), people, tmp_path)
    found = load_measured([tmp_path / f"{patient.name}.npz" for patient in people.patients])
    for k, row in enumerate(people.rows):
        heart = as_unit(people.cohort.hearts[row][None])
        own = measured(ReadsShades(), heart, people.cohort.preparation.geometry, people.cohort.mask[row])
        np.testing.assert_array_equal(found.coherence[k], own.coherence[0])
    assert len(np.unique(found.coherence, axis=0)) > 1


def test_a_curve_changes_the_setting_it_is_named_for(recorder, people, tmp_path):
    curves_of(recorder, ReadsShades(), people, tmp_path)
    tried = {(given.steps, given.guidance_scale) for given in recorder.given}
    assert {steps for steps, scale in tried if scale is None} == {4, 6, 10, 15}
    assert {scale for steps, scale in tried if steps is None} == {1.0, 1.5, 2.0, 3.0}
    assert len(tried) == len([path for path in tmp_path.iterdir() if path.is_dir()]) == 8


# ---- The segmenter ----


def test_a_perfect_segmenter_has_dice_1_and_a_shifted_one_less(people):
    judged = SimpleNamespace(faulty=np.zeros((len(people.rows), 1), bool))
    whole = replace(people.cohort, hearts=np.round(255 * SHADES[people.cohort.labels]).astype(np.uint8))
    perfect, shifted = (segmenter_report(ReadsShades(shift), People(whole, people.rows), judged) for shift in (0, 2))
    for name in ("lv_cavity", "lv_myocardium", "rv_cavity"):
        assert perfect[name]["dice"] == 1 and perfect[name]["n"] == len(people.rows)
        assert 0.1 < shifted[name]["dice"] < 0.9


# ---- The training people ----


@pytest.fixture
def taught(people, tmp_path):
    """A pipeline's folder that says it was trained on this cohort."""
    (tmp_path / "training.json").write_text(f'{{"cohort": "{people.cohort.folder.name}"}}')
    return tmp_path


@pytest.fixture
def training(tiny_pipeline, taught, people):
    return training_people(tiny_pipeline, taught, people)


def of_cohort(training, cohort):
    """The same training rows of another cohort."""
    return TrainingPeople(cohort, training.rows)


def test_the_mean_heart_is_that_of_the_training_people(training, people):
    """Their acquired slices are all one grey, everybody else's are another."""
    cohort, train = people.cohort, people.cohort.rows("train")
    hearts = np.full(cohort.hearts.shape, 204, np.uint8)
    hearts[train] = 51 * cohort.mask[train][..., None, None]
    np.testing.assert_allclose(of_cohort(training, replace(cohort, hearts=hearts)).mean_heart, 0.2, atol=1e-6)


def test_the_mean_heart_is_measured_as_any_heart(tiny_pipeline, training, people):
    """Of training people who all have one heart, the phenotypes are that heart's."""
    cohort, one = people.cohort, people.cohort.rows("train")[0]
    arrays = {name: np.repeat(getattr(cohort, name)[one][None], len(cohort.eid), axis=0) for name in ("hearts", "mask")}
    training = of_cohort(training, replace(cohort, **arrays))
    controls = training_controls(tiny_pipeline, ReadsShades(), people, training)
    geometry = cohort.preparation.geometry
    labels = cohort.labels[one] * cohort.mask[one][..., None, None]
    expected = np.tile(measured_phenotypes(labels, geometry), (len(people.rows), 1))
    np.testing.assert_allclose(controls["mean_heart"], expected)


def test_the_nearest_ecg_brings_the_phenotypes_of_the_training_person_it_is_of(tiny_pipeline, training, people):
    """Each patient's ECG stands among the training people's once more."""
    cohort, twins = people.cohort, people.cohort.rows("train")[-len(people.rows) :]
    ecg, lead_mask = cohort.ecg.copy(), cohort.lead_mask.copy()
    ecg[twins], lead_mask[twins] = ecg[people.rows], lead_mask[people.rows]
    training = of_cohort(training, replace(cohort, ecg=ecg, lead_mask=lead_mask))
    controls = training_controls(tiny_pipeline, ReadsShades(), people, training)
    np.testing.assert_allclose(controls["retrieval"], cohort.phenotypes[twins], rtol=1e-6)


def generated_from(hearts):
    """Measured hearts (n, slices, phases, height, width) uint8: one of each patient."""
    return SimpleNamespace(hearts=hearts[:, None])


@pytest.fixture
def distinct(people):
    """The same people with hearts that nobody could confuse; those of the training people have little contrast."""
    rng, cohort = np.random.default_rng(1), people.cohort
    hearts, train = rng.integers(0, 256, cohort.hearts.shape), cohort.rows("train")
    hearts[train] = 120 + hearts[train] // 16
    mask = np.ones(cohort.mask.shape, bool)
    return People(replace(cohort, hearts=hearts.astype(np.uint8), mask=mask), people.rows)


def test_copies_of_training_hearts_are_found_and_a_patients_own_heart_is_none(
    tiny_pipeline, training, distinct, few_draws
):
    """And the loss tells who taught, here because hearts of little contrast cost little."""
    cohort = distinct.cohort
    training = of_cohort(training, cohort)
    tiny_pipeline.autoencoder.set_latent_statistics(torch.zeros(4), torch.full((4,), 0.1))
    copied = generated_from(cohort.hearts[cohort.rows("train")[: len(distinct.rows)]])
    own = generated_from(cohort.hearts[distinct.rows])
    copies, own_hearts = (copies_report(tiny_pipeline, made, distinct, training) for made in (copied, own))
    assert copies["fraction"] == 1 and copies["auc"] > 0.6
    assert own_hearts["fraction"] < 0.5 and 0.2 < own_hearts["auc"] < 0.8
    assert copies["membership_auc"] > 0.9


# ---- Controls ----


def test_a_control_of_two_hearts_is_set_beside_two_hearts_of_the_own_ecg(tiny_pipeline, people, few_draws, tmp_path):
    """Fewer hearts alone lower R2: here the first two of each patient are right and the rest are not."""
    truth = people.cohort.phenotypes[people.rows].astype(float)
    samples = np.stack([truth - 1, truth + 1, *[0 * truth] * 6], axis=1)  # (n, 8, K)
    arms = {"generated": SimpleNamespace(phenotypes=samples), "population": SimpleNamespace(phenotypes=samples[:, 6:])}
    controls = control_report(tiny_pipeline, ReadsShades(), tmp_path, people, arms)
    assert set(controls) == {"own_ecg", "population"} and set(controls["own_ecg"]) == set(PHENOTYPES)
    assert controls["own_ecg"]["LVEDV"]["mae"] == pytest.approx(0, abs=1e-6)
    assert controls["population"]["LVEDV"]["mae"] > 10


# ---- The report ----


class Draws(Recorder):
    """Stands for a pipeline whose every heart is another, drawn by its own generator."""

    def draw(self, condition, generators, steps=None, guidance_scale=None):
        rngs = [np.random.default_rng(int(torch.randint(2**31, (), generator=g))) for g in generators]
        hearts = torch.tensor(np.stack([SHADES[label_map(rng, self.grid.shape)] for rng in rngs])).float()
        return DrawnHearts(hearts, torch.zeros(len(generators), 1))


@pytest.fixture
def arms(people, geometry, tmp_path):
    """Measured, by arm."""
    for arm in ("real", "reconstructed", "generated", "shuffled_ecg"):
        measure_arm(arm, Draws(geometry), ReadsShades(), people, tmp_path / arm)
    files = [f"{patient.name}.npz" for patient in people.patients]
    return {path.name: load_measured([path / file for file in files]) for path in tmp_path.iterdir()}


@pytest.fixture
def calibrated_folder(tmp_path_factory):
    """A pipeline's folder of which nothing is known but that its intervals are to be twice as wide."""
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "calibration.json").write_text(json.dumps(dict.fromkeys(PHENOTYPES, 2.0) | {"of": "heart codes"}))
    return folder


def write_truth(folder, people):
    """A phantom cohort's truth.csv: all are normal whom we measure but one, and everybody else has an infarct."""
    normal = set(people.cohort.eid[people.rows[1:]])
    with (folder / "truth.csv").open("w", newline="") as file:
        rows = ((eid, "normal" if eid in normal else "infarct", "") for eid in people.cohort.eid)
        csv.writer(file).writerows([("eid", "condition", "scar_territory"), *rows])
    return folder


def alone(people):
    """The same people, as a cohort of nobody else."""
    arrays = {name: getattr(people.cohort, name)[people.rows] for name in ARRAYS}
    return People(replace(people.cohort, **arrays), np.arange(len(people.rows)))


def test_a_report_is_of_the_people_measured_and_its_intervals_are_as_wide_as_was_calibrated(
    people, arms, geometry, calibrated_folder, few_draws, no_curves, tmp_path_factory, monkeypatch
):
    """Whoever else is in the cohort."""
    monkeypatch.setattr("evaluation.certainty.INTERVAL_SAMPLES", 2)  # else two hearts have no width
    data = write_truth(tmp_path_factory.mktemp("data"), people)
    given = (Draws(geometry), ReadsShades(), calibrated_folder)
    (report, picture), (same, same_picture) = (
        report_of(*given, group, arms, data) for group in (people, alone(people))
    )
    assert json.dumps(report) == json.dumps(same) and picture == same_picture
    assert report["segmenter"]["lv_cavity"]["n"] == len(people.rows)
    assert report["groups"]["normal"]["n"] == len(people.rows) - 1
    plain, told = (report[key]["LVEDV"] for key in ("coverage", "coverage_told"))
    volumes = arms["generated"].phenotypes[..., PHENOTYPES.index("LVEDV")]
    low, high = interval(SCALES["LVEDV"].forth(volumes), 0.9)
    more = (high - low) / 2  # at either end, on the scale of volumes
    assert plain["width_90"] == pytest.approx(np.median(np.exp(high) - np.exp(low)))
    assert told["width_90"] == pytest.approx(2 * np.median(np.exp(high + more) - np.exp(low - more)))


def test_truth_that_the_segmenter_measured_itself_says_nothing_of_its_errors(
    people, arms, geometry, calibrated_folder, few_draws, no_curves, tmp_path_factory
):
    """Else a segmenter that errs has R2 1 on true hearts wherever nobody drew a label map."""
    measured = np.zeros(people.cohort.phenotypes.shape, bool)
    measured[people.rows[:2], PHENOTYPES.index("LVEDV")] = True
    group = People(replace(people.cohort, measured=measured), people.rows)
    data = write_truth(tmp_path_factory.mktemp("data"), people)
    report, _ = report_of(Draws(geometry), ReadsShades(), calibrated_folder, group, arms, data)
    count = {name: [report[key][name]["n"] for key in ("measured_on_true_hearts", "agreement")] for name in PHENOTYPES}
    assert count["LVEDV"] == [len(people.rows) - 2, len(people.rows)]
    assert count["LVM"] == [len(people.rows)] * 2


def test_measurements_are_not_taken_for_those_of_other_options(tiny_pipeline, people, tmp_path):
    tiny_pipeline.save(tmp_path)
    one = name_of_measurements(tmp_path, people, tiny_pipeline)
    for other in ({"seed": 1}, {"steps": 3}, {"guidance_scale": 2.0}, {"scheduler": "DDIMScheduler"}, {"samples": 4}):
        assert name_of_measurements(tmp_path, people, tiny_pipeline, **other) != one, other
    fewer = People(people.cohort, people.rows[:3])  # of whom each has a file of its own
    assert name_of_measurements(tmp_path, fewer, tiny_pipeline) == one
