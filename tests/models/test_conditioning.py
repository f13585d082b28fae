import diffusers
import pytest
import torch

from models.conditioning import PERSON_FIELDS, HeartConditioner

NAN = float("nan")


@pytest.fixture
def conditioner():
    torch.manual_seed(2)
    return HeartConditioner(width=16, phenotypes=("LVEDV", "LVM"), phenotype_mean=(1, 2), phenotype_std=(1, 1)).eval()


def given(batch, seed=0, patches=5):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch, patches, 16, generator=generator)
    person = torch.tensor([[1.0, 60.0, 175.0, 80.0]]).repeat(batch, 1)
    return tokens, tokens.mean(dim=1), person


def flags(*values):
    return torch.tensor(values)


@torch.no_grad()
def test_an_absent_ecg_is_its_null_token_whatever_the_signal(conditioner):
    results = [conditioner(*given(1, seed), flags(False), flags(True)) for seed in (0, 1)]
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])
    ecg_part = results[0][0][0, 1:-4]
    assert torch.equal(ecg_part, conditioner.ecg_null.expand_as(ecg_part))
    present = [conditioner(*given(1, seed), flags(True), flags(True))[1] for seed in (0, 1)]
    assert not torch.allclose(*present)


@torch.no_grad()
@pytest.mark.parametrize("field", range(len(PERSON_FIELDS)))
def test_an_absent_field_of_the_person_is_its_null_token(conditioner, field):
    tokens, pooled, person = given(1)
    person[0, field] = NAN
    people = conditioner.person_tokens(person, flags(True))[0]
    assert torch.equal(people[field], conditioner.person_null[field])
    others = [k for k in range(4) if k != field]
    assert torch.equal(people[others], conditioner.person_tokens(given(1)[2], flags(True))[0][others])
    known, unknown = (conditioner(tokens, pooled, p, flags(True), flags(True))[1] for p in (given(1)[2], person))
    assert not torch.allclose(known, unknown)


@torch.no_grad()
def test_an_absent_person_is_a_person_of_whom_nothing_is_known(conditioner):
    tokens, pooled, person = given(1)
    dropped = conditioner(tokens, pooled, person, flags(True), flags(False))
    unknown = conditioner(tokens, pooled, torch.full((1, 4), NAN), flags(True), flags(True))
    assert torch.equal(dropped[0], unknown[0]) and torch.equal(dropped[1], unknown[1])


@torch.no_grad()
def test_permuting_the_batch_permutes_the_output(conditioner):
    tokens, pooled, person = given(4)
    person[2, 0], person[3, 3] = 0.0, NAN
    ecg_present, person_present = flags(True, False, True, True), flags(True, True, False, True)
    order = torch.tensor([3, 1, 0, 2])
    straight = conditioner(tokens, pooled, person, ecg_present, person_present)
    permuted = conditioner(tokens[order], pooled[order], person[order], ecg_present[order], person_present[order])
    for a, b in zip(straight, permuted, strict=True):
        torch.testing.assert_close(b, a[order], atol=1e-6, rtol=0)
        assert not torch.allclose(b, a, atol=1e-3)


@torch.no_grad()
def test_the_token_of_a_person_is_linear_in_the_value(conditioner):
    def token(height_cm):
        return conditioner.person_tokens(torch.tensor([[1.0, 60.0, height_cm, 80.0]]), flags(True))[0, 2]

    torch.testing.assert_close(token(180.0) - token(170.0), token(170.0) - token(160.0))
    assert (token(180.0) - token(170.0)).abs().max() > 0.1


def test_shapes(conditioner):
    tokens, summary = conditioner(*given(3), flags(True, True, False), flags(True, False, False))
    assert tokens.shape == (3, 5 + 1 + 4, 16) and summary.shape == (3, 16 + 2)
    assert conditioner.summary_length == 18 and conditioner.code_length == 2
    assert torch.equal(tokens[:, 0], summary[:, :16])
    assert torch.equal(conditioner.predicted(summary), summary[:, 16:])


@torch.no_grad()
def test_the_denoiser_is_told_the_code_or_that_there_is_none(conditioner):
    _, summary = conditioner(*given(2), flags(True, True), flags(True, True))
    code = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    condition = conditioner.global_condition(summary, code, flags(True, False))
    assert condition.shape == (2, conditioner.condition_length)
    assert torch.equal(condition[:, :16], summary[:, :16])
    assert condition[0, 16:].tolist() == [1, -2, 1] and condition[1, 16:].tolist() == [0, 0, 0]


def test_a_missing_field_never_poisons_the_gradient(conditioner):
    tokens, pooled, person = given(2)
    person[0] = NAN
    conditioner(tokens, pooled, person, flags(True, True), flags(True, True))[0].sum().backward()
    assert all(p.grad.isfinite().all() for p in conditioner.parameters() if p.grad is not None)


# ---- Further fields of the person ----

TWO_MORE = {
    "further_fields": ("sbp", "hba1c"),
    "person_mean": (0.5, 62.0, 169.0, 76.0, 140.0, 36.0),
    "person_std": (0.5, 9.0, 9.0, 14.0, 20.0, 6.0),
}
FIRST_FILE = """{
  "_class_name": "HeartConditioner",
  "_diffusers_version": "VERSION",
  "components": 0,
  "motion": [],
  "motion_mean": [],
  "motion_std": [],
  "person_mean": [
    0.5,
    62.0,
    169.0,
    76.0
  ],
  "person_std": [
    0.5,
    9.0,
    9.0,
    14.0
  ],
  "phenotype_mean": [],
  "phenotype_std": [],
  "phenotypes": [],
  "width": 8
}
"""


def told_more(sbp, hba1c, batch=1):
    person = torch.tensor([[1.0, 60.0, 175.0, 80.0, sbp, hba1c]])
    return person.repeat(batch, 1)


@torch.no_grad()
def test_each_further_field_is_one_more_token_or_its_own_null():
    torch.manual_seed(3)
    conditioner = HeartConditioner(width=16, **TWO_MORE)
    tokens, pooled, _ = given(1)
    both, one, none = (
        conditioner(tokens, pooled, told_more(*values), flags(True), flags(True))
        for values in ((150.0, 40.0), (150.0, NAN), (NAN, NAN))
    )
    assert both[0].shape == (1, 5 + 1 + 6, 16)
    assert torch.equal(one[0][0, -1], conditioner.person_null[5]) and torch.equal(one[0][0, -2], both[0][0, -2])
    assert torch.equal(none[0][0, -2], conditioner.person_null[4]) and torch.equal(none[0][0, 1:-2], both[0][0, 1:-2])
    assert not torch.equal(conditioner.person_null[4], conditioner.person_null[5])
    assert not torch.allclose(both[1], one[1]) and not torch.allclose(one[1], none[1])
    (token,) = conditioner.person_tokens(told_more(160.0, NAN), flags(True))[:, 4]
    torch.testing.assert_close(token, conditioner.person_slope[4] + conditioner.person_place[4])  # one SD above


@torch.no_grad()
def test_a_pipeline_of_further_fields_takes_no_person_of_four():
    with pytest.raises(RuntimeError):
        HeartConditioner(width=16, **TWO_MORE)(*given(1), flags(True), flags(True))


def test_without_further_fields_the_file_is_as_before_there_were_any(tmp_path):
    conditioner = HeartConditioner(width=8)
    conditioner.save_pretrained(tmp_path)
    assert (tmp_path / "config.json").read_text() == FIRST_FILE.replace("VERSION", diffusers.__version__)
    assert conditioner.person_null.shape == (4, 8)
    assert HeartConditioner.from_pretrained(tmp_path).config.further_fields == ()


def test_further_fields_are_read_as_they_were_written(tmp_path):
    conditioner = HeartConditioner(width=8, **TWO_MORE)
    conditioner.save_pretrained(tmp_path)
    again = HeartConditioner.from_pretrained(tmp_path)
    assert {name: tuple(again.config[name]) for name in TWO_MORE} == TWO_MORE
    assert torch.equal(again.person_slope, conditioner.person_slope) and again.person_slope.shape == (6, 8)
