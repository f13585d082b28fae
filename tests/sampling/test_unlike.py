import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from cohort.ecg_numbers import needed_leads
from cohort.errors import InputError
from cohort.person import Person
from cohort.pseudonym import Naming
from evaluation.heart_sampler import HeartSampler
from models.segmenter import Segmenter
from models.usual_ecgs import UsualECGs
from phantom.cohort_writer import ecg_path
from sampling.inputs import LOOKS_SIMULATED, NAMED_SIMULATED, SIMULATED_ONLY, simulated_notice
from sampling.options import SampleOptions
from sampling.patients import read_patient
from sampling.pipeline import ECGToMRIPipeline
from sampling.release import IN_FULL, halve
from sampling.unlike import CANNOT_TELL, MOST_COUNTED, NO_LEAD, WITHHELD, Unlike
from training.usual_ecgs import MOST_HELD_OUT

SETTINGS = {"surprises": (0.0, 2.0, 4.0), "widening": (1.0, 1.5, 2.5), "withheld_beyond": 4.0}


def part_that_says(surprise: float) -> UsualECGs:
    """A part to which every ECG has about this surprise."""
    numbers, leads = needed_leads().shape
    part = UsualECGs(numbers, leads, 32, hidden=4, **SETTINGS).eval()
    part.scale.fill_(1)
    part.covariance.copy_(torch.eye(numbers))
    part.pooled_covariance.copy_(torch.eye(32))
    part.tail.fill_(1)
    part.sum_quantiles.fill_(-1e9)
    part.sum_quantiles[:, -1] = 0
    part.quantiles.fill_(1e9)  # every view finds every ECG usual
    part.sum_quantiles[:, -1] = -math.log(10) * (surprise - 1)
    part.sum_tail.fill_(1)
    return part


@pytest.fixture
def pipeline(tiny_pipeline):
    """Of simulated people; call it with the surprise of every ECG."""

    def made(surprise: float) -> ECGToMRIPipeline:
        tiny_pipeline.register_modules(usual_ecgs=part_that_says(surprise))
        return tiny_pipeline

    return made


def test_what_is_usual_is_not_warned_of_and_what_nobody_can_tell_says_why():
    part = UsualECGs(3, 8, 2, **SETTINGS)
    usual, rare, alien = (Unlike.of(part, surprise) for surprise in (1.0, 3.0, 5.0))
    assert usual.warnings == () and usual.record["warned"] is False and usual.widened == 1.25
    assert "fewer than 1 of 1,000 usual ones is more unlike; intervals are 2.0 times as wide" in rare.warnings[0]
    assert "fewer than 1 of 1,000 usual ones" in alien.warnings[0]  # the ECGs that were counted are no more
    assert MOST_COUNTED == MOST_HELD_OUT
    assert not rare.withheld and alien.withheld and "phenotypes are withheld" in alien.warnings[0]
    assert alien.record["share_of_usual_ecgs_more_unlike"] == pytest.approx(1e-5)
    assert Unlike.of(None, math.nan).record == {"surprise": None, "reason": CANNOT_TELL}
    assert Unlike.of(part, math.nan).record == {"surprise": None, "reason": NO_LEAD}


@pytest.mark.parametrize(
    ("name", "usual", "said"),
    [
        ("9000001_20205_2_0.xml", True, ()),
        ("9000001_20205_2_0.xml", None, ()),
        ("9000001_20205_2_0.xml", False, (NAMED_SIMULATED,)),
        ("somebody.xml", True, (LOOKS_SIMULATED,)),
        ("somebody.xml", False, (SIMULATED_ONLY,)),
        ("somebody.xml", None, (SIMULATED_ONLY,)),
    ],
)
def test_a_name_alone_is_no_evidence_of_whose_an_ecg_is(name, usual, said):
    assert simulated_notice(Path(name), usual) == said


@pytest.mark.parametrize(("surprise", "notice"), [(1.5, ()), (3.0, (NAMED_SIMULATED,))])
def test_an_ecg_read_under_a_phantoms_name_is_judged_by_the_ecg(pipeline, phantom_data, surprise, notice):
    patient = read_patient(ecg_path(phantom_data, 0), pipeline(surprise), Person(), simulated_only=True)
    assert patient.unlike.surprise == pytest.approx(surprise, abs=0.01)
    assert tuple(text for text in patient.warnings if text in (NAMED_SIMULATED, SIMULATED_ONLY)) == notice
    assert any(text.startswith("this ECG is unlike") for text in patient.warnings) is bool(notice)


def test_phenotypes_of_an_ecg_too_unlike_are_withheld_and_its_hearts_are_drawn(pipeline, phantom_data, tmp_path):
    records = {}
    for surprise in (3.0, 5.0):
        folder, output = tmp_path / f"pipeline{surprise}", tmp_path / f"out{surprise}"
        pipeline(surprise).save(folder, {"segmenter": Segmenter(widths=(8, 16))})
        options = SampleOptions(ecg=None, output=output, samples=4, steps=1)
        sampler = HeartSampler.open(options, folder, Naming(None), torch.device("cpu"))
        drawn = sampler.sample(shutil.copy(ecg_path(phantom_data, 0), tmp_path / "somebody.xml"))
        records[surprise] = json.loads((output / "somebody" / "heart.json").read_text())
        assert drawn.hearts.shape[0] == 4 and (output / "somebody" / "grid.png").exists()
        assert bool(drawn.phenotypes) is (surprise < 4)
    told, withheld = records[3.0], records[5.0]
    assert told["phenotypes"] and "phenotypes_withheld" not in told
    assert withheld["phenotypes"] is None and withheld["phenotypes_withheld"] == WITHHELD
    assert withheld["unlike_the_ecgs_that_taught"]["phenotypes_withheld"] is True
    assert told["unlike_the_ecgs_that_taught"]["spread_widened_by"] == 2.0


def test_no_volume_and_no_timing_is_told_of_a_beating_heart_whose_phenotypes_are_withheld(
    beating_pipeline, phantom_data, tmp_path
):
    for surprise, told in ((3.0, True), (5.0, False)):
        folder, output = tmp_path / f"pipeline{surprise}", tmp_path / f"out{surprise}"
        beating_pipeline.register_modules(usual_ecgs=part_that_says(surprise))
        beating_pipeline.save(folder, {"segmenter": Segmenter(widths=(8, 16))})
        options = SampleOptions(ecg=None, output=output, samples=2, steps=1)
        sampler = HeartSampler.open(options, folder, Naming(None), torch.device("cpu"))
        sampler.sample(shutil.copy(ecg_path(phantom_data, 0), tmp_path / "somebody.xml"))
        record = json.loads((output / "somebody" / "heart.json").read_text())
        assert (record["motion"] is not None) is told and (output / "somebody" / "heart.gif").exists()
        assert (output / "somebody" / "curve.png").exists() is told
        page = (output / "somebody" / "heart.html").read_text()
        assert ('<svg id="volumes"' in page) is told and (
            "they are withheld, as the phenotypes are" in page
        ) is not told


def test_released_weights_keep_the_part_in_full(pipeline, tmp_path):
    made = pipeline(3.0)
    torch.nn.init.normal_(made.usual_ecgs.network[0].weight)
    made.save(tmp_path / "whole")
    halve(tmp_path / "whole", tmp_path / "halved", IN_FULL)
    again = ECGToMRIPipeline.load(tmp_path / "halved").usual_ecgs.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in made.usual_ecgs.state_dict().items())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("widening", value) for value in ([1.0], [1.0, 1.0, 0.5], [1.0, 1.0, math.inf], None)),
        *(("surprises", value) for value in ([0.0, 2.0, 1.0], [0.0, 1.0, math.nan], [])),
        *(("withheld_beyond", value) for value in (math.nan, -1, "far")),
    ],
)
def test_a_part_with_unsound_numbers_is_refused(pipeline, tmp_path, name, value):
    pipeline(3.0).save(tmp_path / "pipeline")
    path = tmp_path / "pipeline" / "usual_ecgs" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(InputError):
        ECGToMRIPipeline.load(tmp_path / "pipeline")


def test_a_part_of_another_encoder_is_refused(tiny_pipeline, tmp_path):
    numbers, leads = needed_leads().shape
    tiny_pipeline.register_modules(usual_ecgs=UsualECGs(numbers, leads, 16))
    tiny_pipeline.save(tmp_path / "pipeline")
    with pytest.raises(InputError, match="do not fit together"):
        ECGToMRIPipeline.load(tmp_path / "pipeline")
