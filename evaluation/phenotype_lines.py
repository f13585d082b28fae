"""A patient's phenotypes as lines on a screen."""

from cohort.phenotypes import TABLE

from .certainty import INTERVAL_SAMPLES


def phenotype_lines(name: str, phenotypes: dict[str, dict], samples: int) -> str:
    """One line a phenotype: its mean, and the 90 % interval where there are samples enough to show one.

    Args:
        phenotypes: {phenotype: evaluation.certainty.summary_of}. samples: hearts they were measured on.
    """
    few = samples < INTERVAL_SAMPLES
    lines = [f"{name}: mean of {samples}, too few for intervals" if few else f"{name}: mean of {samples} hearts"]
    for phenotype, summary in phenotypes.items():
        interval = None if few else summary.get("interval_90")
        about = TABLE[phenotype]
        digits = about.digits
        between = f", 90 % interval {interval[0]:.{digits}f} to {interval[1]:.{digits}f}" if interval else ""
        mean = "not measurable" if summary["mean"] is None else f"{summary['mean']:.{digits}f} {about.unit}"
        lines.append(f"  {phenotype:13s} {mean}{between}")
    return "\n".join(lines)
