"""Fitting the calibrations of a pipeline on validation people: their heart codes beside what their hearts measure."""

from sampling.additions import adding_to
from sampling.heart_page import person_of

from .calibration import calibrate
from .chances import FEWEST_CASES, fit_lines, write_lines
from .study import Study


def fit_calibrations(study: Study, weights: str) -> None:
    """Fit intervals and probabilities on the people of a study, keep them in the pipeline's folder, and say so.

    Codes do not depend on the denoiser, so no heart is drawn.

    Args:
        weights: sha256 of the pipeline's weights, as the study began.

    Raises:
        InputError: the weights are others by now, or no sound factor makes the intervals true.
    """
    codes = study.codes
    with adding_to(study.folder, weights):
        calibrate(study.folder, codes, study.truth)
        print(_chances(study))


def _chances(study: Study) -> str:
    """Fit and keep the lines of probabilities; a sentence on them."""
    lines = fit_lines(study.codes, [person_of(patient.person) for patient in study.patients], study.truth)
    write_lines(study.folder, lines)
    if not lines:
        return f"no condition has {FEWEST_CASES} people with it and as many without: probabilities stay as the codes'"
    told = ", ".join(f"{name} ({line.cases} of {line.people})" for name, line in lines.items())
    return f"probabilities are calibrated on people who have the condition: {told}"
