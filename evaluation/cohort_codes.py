"""What `evaluate_samples.py` does with heart codes alone, of everybody in a cohort."""

from pathlib import Path

from accelerate.state import AcceleratorState

from sampling.additions import adding_to
from sampling.pipeline import ECGToMRIPipeline, weights_sha256

from .doubtful_pairs import pair_rows, write_pairs
from .fitted_chances import calibrate_chances, require_unseen
from .options import EvaluationOptions
from .people_of_codes import open_people

PAIRS_OUTPUT = Path("report/cohort")  # beside the data doctor's tables, which name people too


def told_by_codes(
    options: EvaluationOptions, pipeline: ECGToMRIPipeline, folder: Path, state: AcceleratorState
) -> None:
    """Fit the calibration of probabilities (`--calibrate-chances`), list doubtful pairs (`--pairs`), or both.

    Raises:
        InputError: there is nobody, or somebody taught the pipeline who may not have, or verdicts are withheld.
    """
    weights = weights_sha256(folder)
    if options.calibrate_chances:
        require_unseen(folder, options.places, pipeline)
    people = open_people(options, pipeline, folder, state.device)
    if options.calibrate_chances:
        with adding_to(folder, weights):
            print(calibrate_chances(pipeline, folder, people.patients, people.truth, options.seed))
    if options.pairs:
        output = options.output or PAIRS_OUTPUT
        said = write_pairs(output, pair_rows(pipeline, people, options.seed, options.show_unproven))
        print(f"{said}: {output}")
