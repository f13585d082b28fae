"""Learning which ECGs are usual: their statistics, a network that knows spoiled ones, and by how much answers widen."""

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor
from torch.nn import functional

from cohort.ecg_numbers import INDEPENDENT, ROWS, ecg_numbers, known_leads, needed_leads
from models.usual_ecgs import QUANTILES, VIEWS, UsualECGs, reference
from sampling.pipeline import ECGToMRIPipeline, PatientBatch, sample_generator

from .ecg_set import EcgSet
from .order import keyed_generator
from .spoiled_ecgs import spoiled

FEWEST_TAUGHT, FEWEST_HELD_OUT = 200, 40  # people; of fewer, nothing is said
MOST_TAUGHT, MOST_HELD_OUT = 6000, 1000
STEPS, BATCH, RATE, DECAY = 1500, 256, 2e-3, 0.05  # of the network
JITTER_SD = 0.1  # noise on what it is given
LOST = 0.2  # of the ECGs, in training, lack some leads
CODES = 8  # drawn for each person to measure the widening
SURPRISES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)  # at which it is measured
SPOILED_FROM = 1.5  # surprise: one usual ECG of thirty is so unlike
WIDEST = 4.0
LEVEL = 0.9  # of the intervals that are to hold
REACH = float(stdtrit(CODES - 1, (1 + LEVEL) / 2))  # their half-width in SDs of so few draws
WITHHELD_FROM = 4.0  # surprise: one usual ECG of ten thousand is so unlike


def usual_ecgs(pipeline: ECGToMRIPipeline, train: EcgSet, held_out: EcgSet, seed: int) -> UsualECGs | None:
    """What tells usual ECGs from others; None where too few people can tell.

    Args:
        pipeline: with a trained encoder, and a prior whose codes are to be widened.
        train: people whose ECGs count as usual. held_out: people whose ECGs say how unlike usual ones may be.
    """
    if len(train) < FEWEST_TAUGHT or len(held_out) < FEWEST_HELD_OUT:
        return None
    generator = keyed_generator(seed, "usual ECGs")
    which = torch.randperm(len(train), generator=generator)[:MOST_TAUGHT]
    signal, mask = _ecgs(train, which)
    rng = np.random.default_rng([seed, 17])
    numbers = measured(pipeline, signal, mask)
    model = UsualECGs(numbers.shape[1], len(INDEPENDENT), pipeline.ecg_encoder.config.width)
    _set_statistics(model, numbers, pooled(pipeline, signal, mask))
    worse = np.stack([spoiled(one, rng) for one in signal])
    _learn_faults(model, numbers, measured(pipeline, worse, mask), mask, generator)
    held = torch.arange(min(len(held_out), MOST_HELD_OUT))
    _set_references(model, pipeline, *_ecgs(held_out, held), rng)
    widening = _widening(model, pipeline, held_out, held, rng, seed)
    model.register_to_config(surprises=SURPRISES, widening=widening, withheld_beyond=WITHHELD_FROM)
    return model.eval()


def measured(pipeline: ECGToMRIPipeline, signal: np.ndarray, mask: np.ndarray) -> Tensor:
    """(n, F) numbers of ECGs (n, 12, samples), mask (n, 12)."""
    rate = pipeline.ecg_encoder.config.sampling_rate
    return torch.from_numpy(np.stack([ecg_numbers(*one, rate) for one in zip(signal, mask, strict=True)]))


@torch.no_grad()
def pooled(pipeline: ECGToMRIPipeline, signal: np.ndarray, mask: np.ndarray, batch: int = 64) -> Tensor:
    """(n, W) what the encoder makes of ECGs (n, 12, samples), mask (n, 12)."""
    parts = []
    for first in range(0, len(signal), batch):
        given = (torch.from_numpy(a[first : first + batch]).to(pipeline.device) for a in (signal, mask))
        parts.append(pipeline.ecg_encoder(*given)[1].cpu())
    return torch.cat(parts)


def _ecgs(people: EcgSet, which: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Strips (n, 12, samples) float32 and masks (n, 12) of people with every independent lead."""
    parts = [people.take(part)[:2] for part in which.split(256)]
    signal, mask = (torch.cat(kind).numpy() for kind in zip(*parts, strict=True))
    whole = known_leads(mask).all(axis=1)
    return signal[whole], mask[whole]


def _set_statistics(model: UsualECGs, numbers: Tensor, inner: Tensor) -> None:
    model.centre.copy_(numbers.mean(0))
    model.scale.copy_(numbers.std(0).clamp(min=1e-3))
    model.covariance.copy_(model.standardised(numbers).T.cov())
    model.pooled_centre.copy_(inner.mean(0))
    model.pooled_covariance.copy_(inner.T.cov() + 1e-6 * torch.eye(inner.shape[1]))


def _learn_faults(model: UsualECGs, usual: Tensor, worse: Tensor, mask: np.ndarray, generator: torch.Generator) -> None:
    """Train the network: 0 for a usual ECG, 1 for a spoiled one. In LOST of them some leads are taken away."""
    from_leads = torch.from_numpy(needed_leads())
    given, target = torch.cat([usual, worse]), torch.cat([torch.zeros(len(usual)), torch.ones(len(worse))])
    optimizer = torch.optim.AdamW(model.network.parameters(), RATE, weight_decay=DECAY)
    model.network.train()
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        for step in range(STEPS):
            rows = torch.randint(len(given), (BATCH,), generator=generator)
            known = torch.rand(BATCH, len(INDEPENDENT), generator=generator) > 0.5
            known |= torch.rand(BATCH, 1, generator=generator) > LOST
            known[:, 0] |= ~known.any(dim=1)
            lost = (from_leads & ~known[:, None]).any(dim=2)  # (B, F)
            numbers = given[rows] + JITTER_SD * model.scale * torch.randn(lost.shape, generator=generator)
            logit = model.spoiled_logit(numbers.masked_fill(lost, torch.nan), known)
            loss = functional.binary_cross_entropy_with_logits(logit, target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - (step + 1) / STEPS)
    model.network.eval()


def _set_references(
    model: UsualECGs, pipeline: ECGToMRIPipeline, signal: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> None:
    """Quantiles of held-out people's scores, by how many leads are known."""
    inner = pooled(pipeline, signal, mask)
    for count in range(1, len(INDEPENDENT) + 1):
        fewer = mask if count == len(INDEPENDENT) else np.stack([_lacking(one, count, rng) for one in mask])
        known = torch.from_numpy(known_leads(fewer))
        views = model.views(measured(pipeline, signal, fewer), inner, known)  # (n, VIEWS)
        for view in range(VIEWS):
            if views[:, view].isfinite().all():
                model.quantiles[count - 1, view], model.tail[count - 1, view] = reference(views[:, view])
            else:
                model.quantiles[count - 1, view], model.tail[count - 1, view] = torch.zeros(QUANTILES), torch.ones(())
        total = model.total(views, known.sum(dim=1) - 1)
        model.sum_quantiles[count - 1], model.sum_tail[count - 1] = reference(total)


def _lacking(mask: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(12,) bool: only so many of the independent leads, drawn at random."""
    kept = np.zeros(len(INDEPENDENT), bool)
    kept[rng.choice(len(INDEPENDENT), count, replace=False)] = True
    fewer = mask.copy()
    fewer[list(ROWS)] &= kept
    return fewer


@torch.no_grad()
def _widening(
    model: UsualECGs,
    pipeline: ECGToMRIPipeline,
    held_out: EcgSet,
    held: Tensor,
    rng: np.random.Generator,
    seed: int,
) -> tuple[float, ...]:
    """By how much to widen at each of SURPRISES, so that intervals of LEVEL hold for held-out people.

    Their ECGs count as they are and spoiled, as many of each. Below SPOILED_FROM only those as they are count: among
    ECGs that look usual, spoiled ones are rare. The factor never falls as the surprise grows.
    """
    missed, surprises, was_spoiled = [], [], []
    for spoil in (False, True):
        for number, part in enumerate(held.split(64)):
            ecg, mask, person, codes = held_out.take(part)
            signal = np.stack([spoiled(one, rng) for one in ecg.numpy()]) if spoil else ecg.numpy()
            present = torch.ones(len(part), dtype=torch.bool)
            patients = PatientBatch(torch.from_numpy(signal), mask, person, present, present)
            _, summary = pipeline.encode(patients, guided=False)
            drawn = torch.stack(
                [
                    pipeline.draw_codes(
                        summary,
                        [sample_generator(seed, f"widening {number} {k} {spoil}", draw) for k in part.tolist()],
                        known=patients.known.to(pipeline.device),
                    ).cpu()
                    for draw in range(CODES)
                ]
            )  # (CODES, B, K)
            told = len(pipeline.conditioner.config.phenotypes) or codes.shape[1]
            spread = drawn.std(0)[:, :told] * (1 + 1 / CODES) ** 0.5
            missed.append(((codes[:, :told] - drawn.mean(0)[:, :told]) / spread.clamp(min=1e-6)).abs())
            known = torch.from_numpy(known_leads(mask.numpy()))
            numbers = measured(pipeline, signal, mask.numpy())
            surprises.append(model(numbers, pooled(pipeline, signal, mask.numpy()), known))
            was_spoiled.append(torch.full((len(part),), spoil))
    return _factors(torch.cat(missed), torch.cat(surprises), torch.cat(was_spoiled))


def _factors(missed: Tensor, surprises: Tensor, was_spoiled: Tensor) -> tuple[float, ...]:
    """(SURPRISES,) factors, never falling and 1 at least.

    Args:
        missed: (n, K) errors in the SDs that were told, NaN where unknown. surprises: (n,). was_spoiled: (n,) bool.
    """
    factors = []
    edges = [-1.0, *((a + b) / 2 for a, b in zip(SURPRISES[:-1], SURPRISES[1:], strict=True)), float("inf")]
    for centre, low, high in zip(SURPRISES, edges[:-1], edges[1:], strict=True):
        counted = ~was_spoiled | (centre >= SPOILED_FROM)
        within = missed[counted & (surprises > low) & (surprises <= high)]
        within = within[within.isfinite()]
        least = factors[-1] if factors else 1.0
        needed = float(within.quantile(LEVEL)) / REACH if len(within) >= 100 else least
        factors.append(min(WIDEST, max(least, needed)))
    return (1.0, *factors[1:])  # a usual ECG's spread was measured where spreads are
