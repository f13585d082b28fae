"""How well a pipeline moves a true heart: its true ED and ES and its measured motion in, every frame out.

So the drawing of hearts is left out of it. The limit is every true frame through the autoencoder alone. To be beaten
are a cross-fade with the true curve, and one beat for everybody.
"""

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from cohort.beat import MeasuredBeat, curve_on_clock, measured_beat
from cohort.cine import Label
from cohort.intensity import as_unit
from cohort.phenotypes import volume_ml
from sampling.pipeline import DrawnHearts, ECGToMRIPipeline
from sampling.segmentation import TrainedSegmenter, segment

WAYS = ("every frame", "motion network", "cross-fade", "one beat for everybody")


def true_numbers(pipeline: ECGToMRIPipeline, beat: MeasuredBeat) -> dict[str, float]:
    """The motion numbers of a measured beat as the pipeline's heart codes name them; NaN where unknown."""
    about = pipeline.motion.config
    known = dict(beat.numbers)
    names = [name for name in about.numbers if name.startswith("curve_")]
    known |= dict.fromkeys(names, float("nan"))
    if beat.closes:
        scores = pipeline.motion.scores_of(curve_on_clock(beat.inside, beat.es, len(about.curve_mean))[None])
        known |= dict(zip(names, scores[0].tolist(), strict=True))
    return {name: known[name] for name in about.numbers}


def motion_code(pipeline: ECGToMRIPipeline, numbers: dict[str, float]) -> Tensor:
    """(1, K) a heart code that says these motion numbers, and is average in all else, and where they are NaN."""
    about = pipeline.conditioner.config
    mean, std = np.array(about.motion_mean), np.array(about.motion_std)
    own = (np.array([numbers[name] for name in about.motion]) - mean) / std
    code = torch.zeros(1, pipeline.conditioner.code_length, device=pipeline.device)
    pipeline.conditioner.motion_part(code)[:] = torch.from_numpy(np.nan_to_num(own)).to(code)
    return code


@torch.no_grad()
def moved(
    pipeline: ECGToMRIPipeline, stills: np.ndarray, cine: np.ndarray, beat: MeasuredBeat
) -> dict[str, np.ndarray]:
    """A true heart's frames by each of WAYS.

    Args:
        stills: (slices, 2, height, width) uint8 of its ED and ES. cine: (slices, frames, height, width) uint8.
        beat: measured on the cine's label maps.

    Returns:
        (slices, frames, height, width) in [0, 1] by name.
    """
    frames = cine.shape[1]
    latents = pipeline.encode_heart(torch.from_numpy(as_unit(stills)))
    own, average = (
        pipeline.beat(DrawnHearts(latents, code), frames)
        for code in (motion_code(pipeline, true_numbers(pipeline, beat)), torch.zeros_like(_any_code(pipeline)))
    )
    ed, es = rearrange(latents[0], "(s p) c h w -> p s 1 c h w", p=2)
    inside = own.inside[0].view(1, -1, 1, 1, 1).to(latents)
    every = pipeline.encode_heart(torch.from_numpy(as_unit(cine)))[0]
    by = {"every frame": every, "cross-fade": (inside * ed + (1 - inside) * es).flatten(0, 1)}
    pictures = {name: _decoded(pipeline, flat, frames) for name, flat in by.items()}
    pictures |= {"motion network": own.hearts[0].numpy(), "one beat for everybody": average.hearts[0].numpy()}
    return {way: pictures[way] for way in WAYS}


def _any_code(pipeline: ECGToMRIPipeline) -> Tensor:
    return torch.zeros(1, pipeline.conditioner.code_length, device=pipeline.device)


def _decoded(pipeline: ECGToMRIPipeline, latents: Tensor, frames: int) -> np.ndarray:
    """(slices * frames, C, h, w) -> (slices, frames, height, width) in [0, 1]."""
    return rearrange(pipeline.pixels(latents), "(s f) 1 h w -> s f h w", f=frames).numpy()


def errors_of(
    pictures: dict[str, np.ndarray],
    cine: np.ndarray,
    mask: np.ndarray,
    beat: MeasuredBeat,
    segmenter: TrainedSegmenter,
    spacing_mm: tuple[float, float],
) -> dict[str, dict[str, float]]:
    """What each of WAYS gets wrong, by name.

    Args:
        pictures: of `moved`. mask: (slices,) bool, what was acquired. spacing_mm: pixel, and slice step.

    Returns:
        dB to the true frames, and to them through the autoencoder. curve_ml, the mean error of the LV's volume to the
        true maps; curve_to_every_ml, to every frame's. inside, RMS of (V - ESV) / SV in percent. And the motion numbers
        that the segmenter measures, NaN where it finds no beat.
    """
    true, found = as_unit(cine)[mask], {}
    for way in WAYS:
        labels, _ = segment(segmenter, pictures[way])
        labels[~mask] = Label.BACKGROUND
        volume = volume_ml(labels, Label.LV_CAVITY, spacing_mm[0] ** 2 * spacing_mm[1])
        every = found[WAYS[0]]["volume"] if found else volume
        measured = measured_beat(labels, *spacing_mm)
        numbers = dict.fromkeys(beat.numbers, float("nan")) if measured is None else measured.numbers
        inside = np.nan if measured is None else 100 * np.sqrt(np.mean((measured.inside - beat.inside) ** 2))
        found[way] = {
            "volume": volume,
            "dB": _psnr(pictures[way][mask], true),
            "dB to decoded": _psnr(pictures[way][mask], pictures[WAYS[0]][mask]),
            "curve_ml": float(np.abs(volume - beat.volume_ml).mean()),
            "curve_to_every_ml": float(np.abs(volume - every).mean()),
            "inside": float(inside),
            **numbers,
        }
    for errors in found.values():
        del errors["volume"]
    return found


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.square(one - other).mean())
    return float("inf") if error == 0 else -10 * float(np.log10(error))
