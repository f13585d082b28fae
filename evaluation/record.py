"""What a study's numbers depend on, for its report; and a name for what was measured."""

from cohort.code_version import code_version
from cohort.provenance import settings_sha256
from sampling.model_folder import configuration_sha256
from sampling.pipeline import weights_sha256
from sampling.release import pipeline_name

from .study import Study

CHANGING = ("n_subjects", "configuration_sha256", "code_version")


def record_of(study: Study, split: str, scheduler: str | None, segmenter_given: bool) -> dict:
    """All that decides the numbers of a report, ready for JSON.

    Args:
        scheduler: named in place of the pipeline's own, or None.
        segmenter_given: whether another segmenter than the pipeline's measured the hearts.
    """
    given = study.given
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
        "segmenter_given": segmenter_given,
        "seed": study.seed,
    }
    return {
        **options,
        "weights_sha256": weights_sha256(study.folder),
        "configuration_sha256": configuration_sha256(study.folder, options),
        "code_version": code_version(),
    }


def fingerprint(record: dict) -> str:
    """Twelve hexadecimal digits that name the folder of a study's measurements.

    They stay when people are added, when the intervals are calibrated, and when the code is mended: none of these
    changes what was measured.
    """
    return settings_sha256({key: value for key, value in record.items() if key not in CHANGING})[:12]
