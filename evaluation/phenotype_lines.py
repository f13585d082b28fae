"""A patient's phenotypes as lines on a screen."""

from cohort.phenotypes import LABELS, TABLE
from sampling.decision_rows import OF_SIMULATED
from sampling.phenotype_table import BY_CODES


def phenotype_lines(name: str, phenotypes: dict[str, dict], samples: int, of_simulated: bool = False) -> str:
    """One line a phenotype: its mean, its 90 % interval where there is one, and what the drawn hearts measure.

    Args:
        phenotypes: of `told_numbers`. samples: hearts drawn.
        of_simulated: whether they are of simulated patients, and not of this one: a line above says so.
    """
    hearts = "the heart drawn measures" if samples == 1 else f"the {samples} hearts drawn measure on average"
    beside = any("drawn" in summary for summary in phenotypes.values())
    lines = [f"{name}: {OF_SIMULATED}"] if of_simulated else []
    lines.append(f"{name}: mean, told by {BY_CODES}; in brackets what {hearts}" if beside else f"{name}: mean")
    for phenotype, summary in phenotypes.items():
        interval, drawn = summary.get("interval_90"), summary.get("drawn", {}).get("mean")
        about = TABLE[phenotype]
        digits = about.digits
        between = f", 90 % interval {interval[0]:z.{digits}f} to {interval[1]:z.{digits}f}" if interval else ""
        mean = "not measurable" if summary["mean"] is None else f"{summary['mean']:z.{digits}f} {about.unit}"
        own = "" if drawn is None else f" ({drawn:z.{digits}f})"
        by = "" if summary["told_by"] == BY_CODES else f", told by {summary['told_by']}"
        lines.append(f"  {LABELS[phenotype]:13s} {mean}{between}{own}{by}")
    return "\n".join(lines)
