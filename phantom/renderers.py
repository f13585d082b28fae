"""The versions of the phantom: who draws a patient, and who renders the ECG and the MRI.

The released weights know version 2. Version 1 stays as a kind of heart that the released segmenter is watched on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from phantom import electrical, heart, scanner
from phantom.first import electrical as first_electrical
from phantom.first import heart as first_heart
from phantom.first import scanner as first_scanner
from phantom.truth import motion_truth, told_motion

VERSION = 2  # of the phantom: a change of what is drawn or rendered makes another cohort


@dataclass(frozen=True)
class Renderers:
    """One version of the phantom.

    Attributes:
        draw_heart: (seed, index, Draw) -> Heart. render_ecg: Heart -> RenderedECG. scan: (Heart, phases) -> Scan.
        scan_long_axis: (Heart, view, phases) -> Scan of one slice; None of version 1, which knows no such view.
        motion_truth: Heart -> numbers of the beat by name; none of version 1, in which everybody beats alike.
        told_motion: Heart -> its row of motion.csv; none of version 1.
    """

    draw_heart: Callable
    render_ecg: Callable
    scan: Callable
    scan_long_axis: Callable | None
    motion_truth: Callable
    told_motion: Callable


def _draw_first(seed: int, index: int, _: heart.Draw) -> first_heart.Heart:
    """The first phantom knows one population, one scanner and one visit."""
    return first_heart.draw_heart(seed, index)


def _no_motion(_: first_heart.Heart) -> dict[str, float]:
    return {}


RENDERERS = {
    1: Renderers(_draw_first, first_electrical.render_ecg, first_scanner.scan, None, _no_motion, _no_motion),
    2: Renderers(
        heart.draw_heart, electrical.render_ecg, scanner.scan, scanner.scan_long_axis, motion_truth, told_motion
    ),
}
