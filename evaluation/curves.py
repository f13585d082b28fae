"""What guidance, steps and the number of samples do: a study's first people again, one setting changed at a time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from accelerate.state import AcceleratorState

from .measuring import Measured
from .report import setting_numbers
from .study import Study

CURVES = {  # a field of Study: its values
    "guidance_scale": (1.0, 1.5, 2.0, 3.0),
    "steps": (4, 6, 10, 15),
}
CURVE_PEOPLE, CURVE_SAMPLES = 40, 4
SAMPLE_NUMBERS = (2, 4, 8, 16)


def measure_curves(study: Study, folder: Path, state: AcceleratorState) -> None:
    """Measure the first people under each setting of CURVES, each into a folder of its own."""
    for name, _, setting in _settings(study):
        setting.measure("generated", folder / name, state)


def curve_numbers(study: Study, folder: Path, generated: Measured, real: Measured) -> list[dict]:
    """Information kept, coverage and FID under each setting, and of fewer samples, for the same people.

    Args:
        folder: where `measure_curves` has written.
        generated, real: measured hearts of all people of the study.
    """
    few = replace(study, rows=study.rows[:CURVE_PEOPLE])
    n = len(few.rows)
    known = (real.first(n), few.truth, few.ceiling, few.mask)
    usual = study.sampler | {"samples": CURVE_SAMPLES}
    curves = [
        usual | changed | setting_numbers(setting.measurements(folder / name), *known)
        for name, changed, setting in _settings(study)
    ]
    for samples in SAMPLE_NUMBERS:
        if samples <= study.samples:
            curves.append(usual | {"samples": samples} | setting_numbers(generated.first(n, samples), *known))
    return curves


def _settings(study: Study) -> Iterator[tuple[str, dict, Study]]:
    """(name, what is changed, the study of the first people with that change)."""
    few = replace(study, rows=study.rows[:CURVE_PEOPLE], samples=CURVE_SAMPLES)
    for option, values in CURVES.items():
        for value in values:
            yield f"{option}_{value}", {option: value}, replace(few, **{option: value})
