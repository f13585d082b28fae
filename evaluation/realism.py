"""Do the generated hearts look like hearts? Distance of distributions, similarity of pictures, a classifier's verdict.

Only `image_similarity` compares with the patient's own heart. Every distance between real and generated hearts stands
beside the same distance between real hearts and OTHER real hearts, of as many slices. A perfect generator scores that.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchmetrics.image.fid import FrechetInceptionDistance

from cohort.intensity import WHITE

from .auc import area_under_curve
from .bootstrap import with_intervals

MOST_ROWS = 3_000  # slices on each side of a distance of distributions; time grows with their square
SSIM_WINDOW = 11  # pixels; a Gaussian of 1.5 (Wang 2004)
MS_SSIM_EXPONENTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # finest scale first (Wang 2003, section 3.2)
TEST_SHARE = 1 / 3
CLASSIFIER_PAIRS = 32  # per step: the same slice of a real and of a generated heart

Indices = tuple[np.ndarray, np.ndarray]  # (n,) rows of people, (n,) of their slices


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared Frechet distance of two Gaussians fitted to features: FID (Heusel 2017, eq. 6) with our own features.

    |m - m'|^2 + tr(C + C' - 2 (C C')^1/2). It grows as n falls towards F, so compare it at equal n only.

    Args:
        real: (n, F) features; generated: (m, F).

    Returns:
        The distance in squared units of the features; NaN with fewer than two rows on a side.
    """
    if min(len(real), len(generated)) < 2:
        return float("nan")
    as_they_are = nn.Identity()
    as_they_are.num_features = real.shape[1]
    # one process has everybody's features; the others have ended, and waiting for them would last for ever
    distance = FrechetInceptionDistance(feature=as_they_are, sync_on_compute=False)
    for features, is_real in ((real, True), (generated, False)):
        distance.update(torch.as_tensor(features, dtype=torch.float64), real=is_real)
    return float(distance.compute())


def prdc(real: np.ndarray, generated: np.ndarray, k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage (Naeem 2020, sections 2.2 and 3).

    The ball of a point reaches its k-th nearest neighbour in its own set. Precision: share of generated points inside
    any real ball. Recall: share of real points inside any generated ball. Density: real balls a generated point lies
    in, over k; real points score about 1. Coverage: share of real balls with a generated point inside.

    Args:
        real: (n, F) features; generated: (m, F).

    Returns:
        The four by name; NaN where a set has no k-th neighbour.
    """
    if min(len(real), len(generated)) <= k:
        return dict.fromkeys(("precision", "recall", "density", "coverage"), float("nan"))
    a, b = (torch.as_tensor(features, dtype=torch.float64) for features in (real, generated))
    radius_a, radius_b = (torch.cdist(x, x).kthvalue(k + 1, dim=1).values for x in (a, b))  # the first is itself
    between = torch.cdist(a, b)  # (n, m)
    in_real, in_generated = between < radius_a[:, None], between < radius_b
    return {
        "precision": float(in_real.any(dim=0).double().mean()),
        "recall": float(in_generated.any(dim=1).double().mean()),
        "density": float(in_real.sum(dim=0).double().mean() / k),
        "coverage": float(in_real.any(dim=1).double().mean()),
    }


def distribution_distances(
    real: np.ndarray, generated: np.ndarray, mask: np.ndarray, seed: int = 0, splits: int = 3
) -> dict[str, float]:
    """`fid` and `prdc` of generated against real slices, and under `<name>_real` of real against other real slices.

    The people are cut into two halves. One half's real slices are the reference. The hearts generated for the other
    half are compared with them, and so are the other half's real hearts. So both have the same n, and nobody is
    compared with themselves.

    Args:
        real: (people, S, F) features of the slices of real hearts; generated: the same of one generated heart each.
        mask: (people, S), True where the slice was acquired; the others are left out on both sides.
        splits: seeded cuts; the numbers are averaged over them.

    Returns:
        fid, fid_real, precision, precision_real, recall, ...; NaN where there are too few slices.
    """
    rng = np.random.default_rng(seed)
    cuts = []
    for _ in range(splits):
        one, other = np.split(rng.permutation(len(real))[: len(real) // 2 * 2], 2)
        reference, compared = (at_most(MOST_ROWS, acquired_slices(mask, people), rng) for people in (one, other))
        against_real = _distances(real[reference], real[compared])
        against_generated = _distances(real[reference], generated[compared])
        cuts.append(against_generated | {f"{name}_real": value for name, value in against_real.items()})
    return {name: float(np.mean([distances[name] for distances in cuts])) for name in cuts[0]}


def _distances(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    return {"fid": frechet_distance(real, generated)} | prdc(real, generated)


def at_most(n: int, indices: Indices, rng: np.random.Generator) -> Indices:
    """At most n of the (person, slice) indices, drawn without replacement."""
    kept = rng.permutation(len(indices[0]))[:n]
    return indices[0][kept], indices[1][kept]


def image_similarity(true: np.ndarray, other: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """SSIM (Wang 2004), multi-scale SSIM (Wang 2003) and PSNR in dB of two hearts, means over the acquired slices.

    MS-SSIM takes as many of Wang's five scales as leave two windows side by side at the coarsest. Of 96 x 96 pixels
    these are three: 96, 48 and 24 pixels. Their exponents are scaled to sum to 1.

    Args:
        true, other: (slices, phases, height, width) in [0, 1].
        mask: (slices, phases), True where the slice was acquired.

    Returns:
        ssim, ms_ssim, psnr (infinite for equal slices); NaN where nothing was acquired.
    """
    if not mask.any():
        return dict.fromkeys(("ssim", "ms_ssim", "psnr"), float("nan"))
    a, b = (torch.as_tensor(heart[mask], dtype=torch.float32)[:, None] for heart in (true, other))  # (n, 1, H, W)
    scales = int(np.clip(np.log2(min(a.shape[-2:]) / SSIM_WINDOW), 1, len(MS_SSIM_EXPONENTS)))
    betas = tuple(MS_SSIM_EXPONENTS[:scales] / MS_SSIM_EXPONENTS[:scales].sum())
    return {
        "ssim": float(structural_similarity_index_measure(a, b, data_range=1.0)),
        "ms_ssim": float(multiscale_structural_similarity_index_measure(a, b, data_range=1.0, betas=betas)),
        "psnr": float(peak_signal_noise_ratio(a, b, data_range=1.0, dim=(1, 2, 3))),
    }


def radial_power_spectrum(slices: np.ndarray) -> np.ndarray:
    """Mean over slices of the log10 of their power, averaged round circles of equal spatial frequency.

    Slices are multiplied by a Hann window. Without it the jump from one edge to the opposite one adds power of 1/f^2,
    which hides how fast the picture's own power falls.

    Args:
        slices: (n, height, width).

    Returns:
        (height // 2,) log10 power; entry j is j cycles per height of the picture, height / 2 being Nyquist's.
    """
    height, width = slices.shape[-2:]
    power = np.abs(np.fft.fft2(slices * np.outer(np.hanning(height), np.hanning(width)))) ** 2  # (n, H, W)
    cycles = height * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    circle = np.rint(cycles).astype(int)  # (H, W)
    radial = [power[:, circle == j].mean(axis=1) for j in range(height // 2)]
    return np.log10(np.maximum(radial, np.finfo(np.float32).tiny)).mean(axis=1)  # a black slice has no logarithm


def spectrum_gap(real: np.ndarray, generated: np.ndarray) -> float:
    """Mean absolute difference of two radial spectra (k,) above a quarter of Nyquist: fine detail, in log10."""
    return float(np.abs(real - generated)[len(real) // 4 :].mean())


def classifier_auc(
    real: np.ndarray, generated: np.ndarray, mask: np.ndarray, seed: int = 0, steps: int = 300, shrink: int = 1
) -> float:
    """How well a small network learns to tell generated from real slices of people it never saw.

    Area under the ROC curve per slice: 0.5 is a coin, 1 a generator that always gives itself away. The network learns
    from two thirds of the people, real and generated, and judges the others. Both sides have the same acquired slices.

    At full size the softness of an autoencoder alone gives every slice away: AUC 1.00 for the demo's reconstructions
    of real phantom slices. Shrunk four times (0.59) only the heart's shape is left to judge.

    Args:
        real, generated: (people, S, height, width) in [0, 1], one generated heart a person.
        mask: (people, S), True where the slice was acquired.
        steps: of training, on CLASSIFIER_PAIRS slices of each kind.
        shrink: side of the blocks of pixels averaged first; the sides left must be even.

    Returns:
        AUC; NaN if there is nobody to learn from or nobody to judge.
    """
    return classifier_verdict(real, generated, mask, seed, steps, shrink)["auc"]


def classifier_verdict(
    real: np.ndarray, generated: np.ndarray, mask: np.ndarray, seed: int = 0, steps: int = 300, shrink: int = 1
) -> dict[str, float | list[float]]:
    """`classifier_auc` with its bootstrap interval over the people judged, as auc and auc_ci."""
    order = np.random.default_rng(seed).permutation(len(real))
    judged, trained = np.split(order, [round(TEST_SHARE * len(order))])
    unseen, seen = (acquired_slices(mask, people) for people in (judged, trained))
    if not (len(unseen[0]) and len(seen[0])):
        return {"auc": float("nan"), "auc_ci": [float("nan")] * 2}
    network = _trained_classifier(real, generated, seen, seed, steps, shrink)
    scores = [_scores(network, hearts[unseen]) for hearts in (real, generated)]

    def auc(people: np.ndarray) -> dict[str, float]:
        rows = np.concatenate([np.flatnonzero(unseen[0] == person) for person in people])
        return {"auc": area_under_curve(*(values[rows] for values in scores))}

    return with_intervals(auc, np.unique(unseen[0]), draws=200)


def _trained_classifier(
    real: np.ndarray, generated: np.ndarray, seen: Indices, seed: int, steps: int, shrink: int
) -> nn.Module:
    """Network: slices (n, 1, height, width) -> logits (n, 1) of being generated; it learns from the slices `seen`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            *(nn.AvgPool2d(shrink), nn.PixelUnshuffle(2)),  # (N, 4, H/2, W/2) of the shrunk sides
            *(nn.Conv2d(4, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.SiLU()),  # (N, 32, H/4, W/4)
            *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.SiLU()),  # (N, 64, H/8, W/8)
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 1)),
        )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    rng = np.random.default_rng(seed)
    person, slice_ = seen
    is_generated = torch.arange(2).repeat_interleave(CLASSIFIER_PAIRS)[:, None].float()  # (2 * pairs, 1)
    for _ in range(steps):
        drawn = rng.integers(len(person), size=CLASSIFIER_PAIRS)
        drawn = person[drawn], slice_[drawn]
        logits = network(_pixels(np.concatenate([real[drawn], generated[drawn]])))
        loss = functional.binary_cross_entropy_with_logits(logits, is_generated)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


@torch.no_grad()
def _scores(network: nn.Module, slices: np.ndarray) -> np.ndarray:
    """Logits (n,) of slices (n, height, width)."""
    return torch.cat([network(_pixels(part)) for part in np.array_split(slices, len(slices) // 256 + 1)])[:, 0].numpy()


def _pixels(slices: np.ndarray) -> Tensor:
    """(n, height, width) in [0, 1] -> (n, 1, height, width) in [-1, 1], rounded to the grey levels of stored hearts."""
    grey = torch.as_tensor(slices, dtype=torch.float32)[:, None].mul(WHITE).round()  # real hearts are stored so
    return 2 * grey / WHITE - 1


def acquired_slices(mask: np.ndarray, people: np.ndarray) -> Indices:
    """(person, slice) indices of the acquired slices of some people."""
    person, slice_ = np.nonzero(mask[people])
    return people[person], slice_
