from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from evaluation.ceiling import predict_phenotypes
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from sampling.patients import Patient

CPU = torch.device("cpu")
TAUGHT = {"LVM": (110.0, 25.0), "LVEDV": (150.0, 30.0), "RVEF": (55.0, 6.0)}  # mean and SD, in an order of their own


def patients(count):
    rng = np.random.default_rng(0)
    return [
        Patient(
            f"patient {k}",
            rng.normal(size=(12, 250)).astype(np.float32),
            np.ones(12, bool),
            np.array([k % 2, 60 + k, 170, np.nan], np.float32),
            (),
        )
        for k in range(count)
    ]


@pytest.fixture
def parts():
    torch.manual_seed(0)
    mean, std = zip(*TAUGHT.values(), strict=True)
    conditioner = HeartConditioner(width=16, phenotypes=tuple(TAUGHT), phenotype_mean=mean, phenotype_std=std)
    return ECGEncoder(duration_s=1.0, width=16, layers=1, heads=2), conditioner


def saved(folder, parts):
    for name, part in zip(("ecg_encoder", "conditioner"), parts, strict=True):
        part.save_pretrained(folder / name, safe_serialization=True)
    return folder


def test_predictions_are_in_their_own_units_and_what_was_not_taught_is_unknown(parts, tmp_path):
    """A head that says -1, 0 and 2 SDs of everybody."""
    head = parts[1].target_head
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([-1.0, 0.0, 2.0]))
    found = predict_phenotypes(saved(tmp_path, parts), patients(3), CPU)
    expected = {"LVM": 110 - 25, "LVEDV": 150, "RVEF": 55 + 2 * 6}
    assert found.shape == (3, len(PHENOTYPES))
    for k, name in enumerate(PHENOTYPES):
        np.testing.assert_allclose(found[:, k], expected.get(name, np.nan), rtol=1e-5, equal_nan=True)


def test_a_patient_is_predicted_the_same_in_any_company(parts, tmp_path):
    folder, everybody = saved(tmp_path, parts), patients(5)
    together = predict_phenotypes(folder, everybody, CPU)
    assert together[:, PHENOTYPES.index("LVM")].std() > 0.01
    np.testing.assert_allclose(predict_phenotypes(folder, everybody, CPU, batch=2), together, rtol=1e-4)
    np.testing.assert_allclose(predict_phenotypes(folder, everybody[::-1], CPU)[::-1], together, rtol=1e-4)
    np.testing.assert_allclose(predict_phenotypes(folder, everybody[3:4], CPU)[0], together[3], rtol=1e-4)


def test_a_ceiling_without_its_weights_is_refused(parts, tmp_path):
    with pytest.raises(InputError):
        predict_phenotypes(tmp_path, patients(1), CPU)
    saved(tmp_path, parts)
    (tmp_path / "conditioner" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError):
        predict_phenotypes(tmp_path, patients(1), CPU)


def test_a_ceiling_of_other_further_fields_than_the_pipelines_is_refused(parts, tmp_path):
    folder = saved(tmp_path, parts)
    told_more = [replace(one, person=np.append(one.person, np.float32(140))) for one in patients(2)]
    with pytest.raises(InputError, match="knows other further fields of the person than the pipeline; measure it anew"):
        predict_phenotypes(folder, told_more, CPU)
