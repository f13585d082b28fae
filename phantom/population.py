"""Whom a cohort is drawn from: age, size, and how common each disease is."""

from dataclasses import dataclass, field

# Prevalence in the cohort, not in the population: enriched so that a small cohort holds some of each disease.
CONDITIONS = {
    "normal": 0.60,
    "lvh": 0.08,
    "dcm": 0.06,
    "hcm": 0.04,
    "infarct": 0.08,
    "rv_overload": 0.05,
    "lbbb": 0.04,
    "rbbb": 0.05,
}
SICKER = {
    "normal": 0.36,
    "lvh": 0.14,
    "dcm": 0.10,
    "hcm": 0.05,
    "infarct": 0.16,
    "rv_overload": 0.07,
    "lbbb": 0.06,
    "rbbb": 0.06,
}


@dataclass(frozen=True)
class Population:
    """Attributes: age_years, the range; height_shift_cm, bmi_shift, against UK Biobank; prevalence of CONDITIONS."""

    age_years: tuple[float, float] = (45, 80)
    height_shift_cm: float = 0.0
    bmi_shift: float = 0.0
    prevalence: dict[str, float] = field(default_factory=lambda: CONDITIONS)


POPULATIONS = {
    "usual": Population(),  # as in UK Biobank, but for the enriched disease
    "clinic": Population((60, 90), -1.0, 2.5, SICKER),  # older, heavier, sicker
    "small": Population((30, 70), -9.0, -3.5),  # younger and slighter
}
