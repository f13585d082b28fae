"""What a study's numbers depend on, for its report; and the key of what was measured."""

import re
import shlex
import sys
from datetime import date
from pathlib import Path

from cohort.code_version import code_version
from cohort.content import content_of, fingerprint
from cohort.errors import printable
from cohort.step_code import code_sha256
from sampling.measured_phenotypes import said_of
from sampling.model_folder import configuration_sha256
from sampling.pipeline import weights_sha256
from sampling.release import pipeline_name

from .study import Study

MEASURING = ("evaluation.study", "models.segmenter")  # the code that makes and measures hearts, with all it imports
PLACE = re.compile(r"(^|=)(?:/|~|\.\.)[^=]*/(?=[^/])")  # the folders of a path from outside the working folder
CONFIGURATION = ("model_index.json", "scheduler/*.json", "*/config.json")  # of a pipeline; its calibration is not


def record_of(study: Study, split: str, scheduler: str | None, segmenter: Path) -> dict:
    """All that decides the numbers of a report, ready for JSON.

    Args:
        scheduler: named in place of the pipeline's own, or None.
        segmenter: the folder of the segmenter that measured the hearts.
    """
    given = study.given
    given_another = segmenter.resolve() != (study.folder / "segmenter").resolve()
    options = {
        "cohort": study.cohort.folder.name,
        "split": split,
        "n_subjects": len(study.rows),
        "n_samples": study.samples,
        "pipeline": pipeline_name(study.folder),
        "guidance_scale": study.guidance_scale,
        "steps": study.sampler["steps"],
        "scheduler": scheduler,
        "hearts": given and given.folder.name,
        "labels": given and given.labels and given.labels.name,
        "segmenter_given": given_another,
        "judge_had_part": study.pipeline.corrects and not given_another and given is None,
        "seed": study.seed,
        "measured_by": said_of(study.segmenter),
        "true_hearts_measured": study.true_hearts_measured,
    }
    weights = weights_sha256(study.folder)
    return {
        **options,
        "measurements": measurements_key(study, scheduler, segmenter, weights),
        "weights_sha256": weights,
        "configuration_sha256": configuration_sha256(study.folder, options),
        "code_version": code_version(),
    }


def made_now() -> dict[str, str]:
    """The date, and the command. Of a path from elsewhere its last part is told: folders above may name people."""
    script, *options = sys.argv
    words = ["python", Path(script).name, *(PLACE.sub(r"\1", option) for option in options)]
    return {"date": date.today().isoformat(), "command": printable(shlex.join(words))}


def measurements_key(study: Study, scheduler: str | None, segmenter: Path, weights: str) -> str:
    """Twelve hexadecimal digits that name the folder of a study's measurements.

    They are a hash of all that a measurement is made of: options, cohort, code, and what the files hold. These files
    are the pipeline's, the segmenter's, those of given hearts, and of their label maps. Who else is measured is not in
    the key, nor is the calibration of the intervals. So people may be added.

    Args:
        scheduler, segmenter: as of `record_of`. weights: `weights_sha256` of the pipeline.
    """
    given = study.given
    decides = {
        "cohort": study.cohort.folder.name,
        "samples": study.samples,
        "sampler": study.sampler,
        "scheduler": scheduler,
        "seed": study.seed,
        "convention": given and given.convention,
        "code": [code_sha256(module) for module in MEASURING],
        "weights": weights,
        "configuration": [_contents(study.folder, pattern) for pattern in CONFIGURATION],
        "segmenter": _contents(segmenter, "*"),
        "hearts": given and given.hearts_sha256,
        "labels": given and given.labels_sha256,
    }
    return fingerprint(decides, ())


def _contents(folder: Path, pattern: str) -> dict[str, str]:
    """Hashes of the files of a folder that a pattern names."""
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): content_of(path).hex() for path in files}
