"""The race: our arm is the training itself, both arms are judged, and judging stops the clock."""

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from accelerate import Accelerator

from benchmarks import race_baseline
from benchmarks.race_baseline import learn_baseline
from benchmarks.race_judge import Clock, Race, result_rows, soonest, verdict
from benchmarks.race_ours import learn_ours, our_options
from models.segmenter import Segmenter
from sampling.patients import prepared_patients
from training.options import StageSteps
from training.stages import STAGES, Training


@dataclass
class Onlooker:
    """Stands for a race: takes two hearts of one person at every judgement, of which the last is enough."""

    patients: list
    enough_at: int
    steps: list[int] = field(default_factory=list)
    hearts: list[np.ndarray] = field(default_factory=list)

    def reached(self, generate, step, spent=None):
        self.steps.append(step)
        self.hearts.append(generate(self.patients, 2))
        return len(self.steps) >= self.enough_at

    def spent(self):
        return {"minutes": 1.0}


@pytest.fixture
def onlooker(prepared):
    return Onlooker(prepared_patients(prepared, prepared.rows("validation")[:1]), enough_at=2)


def tiny_options(folder):
    options = our_options(folder, folder / "segmenter", steps=8)
    stages = StageSteps(autoencoder=2, segmenter=2, ceiling=2, condition=2, prior=2)
    return replace(options, stage_steps=stages, hearts_per_batch=2, evaluate_every=2)


def test_our_arm_runs_the_stages_of_training_until_it_is_good_enough(prepared, tmp_path, onlooker, monkeypatch):
    ran = []
    for name, learn in STAGES.items():
        monkeypatch.setitem(STAGES, name, lambda training, n=name, f=learn: (ran.append((n, training)), f(training)))
    options = tiny_options(tmp_path / "ours")
    learn_ours(options, prepared, Accelerator(cpu=True), onlooker)
    names, trainings = zip(*ran, strict=True)
    assert names == tuple(STAGES)[: 1 + list(STAGES).index("denoiser")]  # enough: nothing is learned after it
    assert len({id(training) for training in trainings}) == 1
    assert onlooker.steps == [2, 4]  # of 8: the second judgement was enough
    assert [hearts.shape for hearts in onlooker.hearts] == [(1, 2, *prepared.preparation.geometry.shape)] * 2
    assert (onlooker.hearts[0] != onlooker.hearts[1]).any()  # the weights of the moment


def test_our_arm_trains_no_segmenter_where_the_judge_has_one(prepared, tmp_path, monkeypatch):
    monkeypatch.delattr("training.stages.learn_segmenter")
    Segmenter().save_pretrained(tmp_path / "segmenter" / "model")
    options = our_options(tmp_path / "ours", tmp_path / "segmenter", steps=8)
    training = Training(options, Accelerator(cpu=True), prepared)
    STAGES["segmenter"](training)
    assert training.segmenter is not None


def test_the_baseline_is_judged_by_its_latest_weights_and_by_earlier_ones_while_they_are_enough(
    prepared, onlooker, monkeypatch
):
    monkeypatch.setattr(race_baseline, "CLOCK_EVERY", {"autoencoder": 1, "denoiser": 1})
    monkeypatch.setattr(race_baseline, "BATCH", 2)
    monkeypatch.setattr(race_baseline, "SAMPLING_STEPS", 2)
    onlooker.enough_at = 1
    learn_baseline(prepared, 1.0, onlooker)
    assert onlooker.steps == [4, 3, 2, 1]
    for hearts in onlooker.hearts:
        assert hearts.shape == (1, 2, *prepared.preparation.geometry.shape)
        assert 0 <= hearts.min() < hearts.max() <= 1 and (hearts[0, 0] != hearts[0, 1]).any()


def test_judging_stops_the_clock():
    clock = Clock()
    with clock.paused():
        time.sleep(0.05)
    time.sleep(0.01)
    with clock.paused():
        assert 0.01 / 60 <= clock.minutes()["wall_minutes"] < 0.05 / 60


class Measures:
    """Stands for a judge: keeps what it is told."""

    def __init__(self, *kept):
        self._kept = iter(kept)

    def kept(self, generate):
        return dict.fromkeys(("LVEDV", "LVM"), next(self._kept))


def test_a_judgement_counts_the_minutes_of_the_weights_it_looks_at():
    race = Race("ours", Measures(0.4, 0.6, float("nan")))
    earlier = {"minutes": 3.0, "wall_minutes": 4.0}
    assert [race.reached(None, step, spent) for step, spent in ((1, None), (2, earlier), (3, None))] == [0, 1, 0]
    assert [j["step"] for j in race.judgements] == [1, 2, 3]
    assert race.judgements[0]["minutes"] < 1 and race.judgements[1]["minutes"] == 3.0


def arm(*judgements):
    return [{"step": n, "minutes": m, "kept": {"LVEDV": kept, "LVM": 0.9}} for n, (m, kept) in enumerate(judgements)]


def test_the_first_judgement_that_is_good_enough_decides():
    ours, slow, bad = arm((1.0, 0.1), (2.0, 0.5), (3.0, 0.7)), arm((12.0, 0.6), (8.0, 0.2)), arm((20.0, 0.4))
    assert [soonest(judgements) for judgements in (ours, slow, bad)] == [2.0, 12.0, 20.0]
    assert verdict(ours, slow).startswith("6.0 times sooner")
    assert verdict(ours, bad).startswith("at least 10.0 times sooner")
    assert "no winner" in verdict(bad, ours)
    assert [row["minutes"] for row in result_rows({"ours": ours, "baseline": slow})] == [1.0, 2.0, 3.0, 8.0, 12.0]
