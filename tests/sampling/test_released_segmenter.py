"""The released segmenter on phantoms of a seed that nobody learned from, two of each scanner."""

import json

import numpy as np
import pytest
import torch

from cohort.cine import CineStack, Label
from cohort.errors import InputError
from cohort.heart_grid import heart_grid
from cohort.intensity import as_grey_levels, as_unit
from cohort.phenotypes import dice
from models.segmenter import Segmenter
from phantom.acquisition import SCANNERS
from phantom.heart import Draw, draw_heart
from phantom.scanner import scan
from sampling import release
from sampling.measured_phenotypes import said_of
from sampling.pipeline import load_part
from sampling.release import RELEASED, RELEASED_SEGMENTER
from sampling.segmentation import segment
from training.damaged_slices import blurred_away, elsewhere, noisy, turned

SEED = 90_210
FLOOR = {Label.LV_CAVITY: 0.94, Label.LV_MYOCARDIUM: 0.82, Label.RV_CAVITY: 0.92}  # mean Dice, ED and ES together


@pytest.fixture(scope="module")
def segmenter():
    return load_part(Segmenter, RELEASED_SEGMENTER)


@pytest.fixture(scope="module")
def hearts():
    """Six hearts on the grid, by scanner."""
    found = {}
    for number, scanner in enumerate([*SCANNERS, *SCANNERS]):
        images = scan(draw_heart(SEED, number, Draw(scanner=scanner)))
        stacks = [CineStack(a[..., t : t + 1], images.affine) for a in (images.voxels, images.labels) for t in (0, 1)]
        found.setdefault(scanner, []).append(heart_grid(*stacks))
    return found


def slices_of(grid):
    return torch.from_numpy(as_unit(as_grey_levels(grid.voxels[grid.mask]))).unsqueeze(1)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_it_finds_hearts_that_it_never_saw_on_every_scanner(segmenter, hearts, scanner):
    reached = {label: [] for label in FLOOR}
    for grid in hearts[scanner]:
        labels, _ = segment(segmenter, grid.voxels)
        for label in FLOOR:
            reached[label].append(dice(labels, grid.labels, label))
    short = {label.name: np.mean(reached[label]) for label in FLOOR if np.mean(reached[label]) < FLOOR[label]}
    assert not short


@torch.no_grad()
def test_its_score_falls_where_images_are_spoiled(segmenter, hearts):
    grids = [of_scanner[0] for of_scanner in hearts.values()]
    pictures = [(slices_of(grid), torch.from_numpy(grid.labels[grid.mask]).long()) for grid in grids]
    whole = [segmenter.confidence_of_heart(segmenter(slices)) for slices, _ in pictures]
    assert min(whole) > 0.8
    generator = torch.Generator().manual_seed(0)
    for damage in (noisy, blurred_away, turned, elsewhere):
        spoiled = [damage(slices, labels, generator)[0].clamp(0, 1) for slices, labels in pictures]
        scores = [segmenter.confidence_of_heart(segmenter(slices)) for slices in spoiled]
        assert np.mean(scores) < np.mean(whole) - 0.05, damage.__name__


@torch.no_grad()
def test_it_believes_nothing_it_says_of_noise(segmenter):
    noise = (0.5 + 0.2 * torch.randn(10, 1, 96, 96, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert segmenter.confidence_of_heart(segmenter(noise)) < 0.3


def test_it_is_small_and_says_what_it_learned_from(segmenter):
    assert RELEASED_SEGMENTER.parent == RELEASED.parent and RELEASED_SEGMENTER != RELEASED / "segmenter"
    assert sum(path.stat().st_size for path in RELEASED_SEGMENTER.iterdir()) < 5e6
    assert "simulated hearts only" in said_of(segmenter)
    assert segmenter.config.dice_expected and len(segmenter.config.dice_found) == len(segmenter.config.dice_expected)


def test_a_release_writes_the_card_from_what_the_run_recorded(tmp_path, monkeypatch):
    run = tmp_path / "run"
    Segmenter(widths=(8, 16)).save_pretrained(run / "model")
    target = tmp_path / "released"
    monkeypatch.setattr("sys.argv", ["release", str(run / "model"), str(target)])
    with pytest.raises(InputError, match="does not record"):
        release.main()
    taught = {"hearts": 7, "seed": 0, "kinds": ["first kind", "second kind"]}
    config = {"taught": taught, "chosen_by": taught | {"kinds": ["third kind"]}, "steps": 3, "batch": 4, "seed": 0}
    told = {"label_maps": 9, "poor_share": 0.5, "rank_correlation": 0.91, "mean_error": 0.1}
    told |= {"mean_score_undamaged": 0.9, "mean_score_damaged": 0.4}
    dice_found = {f"dice_{name}_0": 0.876 for name in ("lv_cavity", "lv_myocardium", "rv_cavity")}
    (run / "config.json").write_text(json.dumps(config | {"learning_rate": 1e-3, "widths": [8, 16]}))
    (run / "report.json").write_text(json.dumps(dice_found | {f"belief_{name}": value for name, value in told.items()}))
    release.main()
    card = (target / "README.md").read_text()
    assert "| third kind | 0.876 | 0.876 | 0.876 |" in card and "- second kind\n" in card and "Dice: 0.91" in card
    loaded = load_part(Segmenter, target)
    assert loaded.config.widths == [8, 16]
