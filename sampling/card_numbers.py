"""The numbers of a report as Markdown for a model card: only those named here, with their intervals."""

import math
from numbers import Real

from cohort.phenotypes import LABELS, PHENOTYPES, UNITS

from .measured_phenotypes import SEEN
from .public_text import grouped

JUDGE_HAD_PART = "That segmenter steered the hearts while they were drawn, so it finds in them what they were told."
COPIES_LIMIT = 0.05  # share of samples that are copies, above which weights are not released
AGREEMENT = {  # columns: (where in the report, %s the phenotype), digits
    "r": ("agreement.%s.r", 2),
    "R2": ("agreement.%s.r2", 2),
    "mean absolute error": ("agreement.%s.mae", 1),
    "bias": ("agreement.%s.bias", 1),
    "information kept": ("information_kept_of_many.%s", 2),
    "information kept by the mean of so few": ("information_kept.%s", 2),
    "in the 50 % interval, %": ("coverage.%s.50", 0),
    "in the 80 %": ("coverage.%s.80", 0),
    "in the 90 %": ("coverage.%s.90", 0),
}
REALISM = {
    "FID": ("realism.fid", 2),
    "FID of other real hearts": ("realism.fid_real", 2),
    "FID of true hearts blurred by a pixel": ("realism.fid_blurred", 2),
    "FID of true hearts through the autoencoder": ("realism.fid_reconstruction", 2),
    "AUC of a classifier, generated against real (0.5: cannot be told apart)": ("realism.classifier_auc", 2),
    "the same of true hearts through the autoencoder": ("realism.classifier_auc_reconstruction", 2),
    "share of hearts that no living heart is like": ("implausible.any.generated", 3),
    "the same of true hearts": ("implausible.any.real", 3),
}
MEMORISATION = {
    "share of the samples that look like copies of a training patient (at most 0.01 of real strangers do)": (
        "memorisation.fraction",
        3,
    ),
    "AUC, nearer to training than to held-out hearts (0.5: no nearer)": ("memorisation.auc", 3),
    "the same AUC if every sample were a copy": ("memorisation.auc_of_copies", 3),
    "share of planted copies found": ("memorisation.detector_tpr", 3),
    "share of strangers taken for copies": ("memorisation.threshold_fpr", 3),
    "AUC of telling by the loss who was trained on (0.5: nobody can)": ("memorisation.membership_auc", 3),
}


def measured(report: dict) -> str:
    """Who was measured, a row for each phenotype, and how real the pictures look; or that nothing is known."""
    table, realism = _agreement(report), _lines(report, REALISM)
    if not table and not realism:
        return (
            "None has been measured yet. This measures them:\n\n"
            "    python evaluate_samples.py --data DATA --pipeline THIS_FOLDER"
        )
    people, hearts = (_number(report, key, 0) for key in ("n_subjects", "n_samples"))
    who = f" on {people} people" + (f", {hearts} hearts each" if hearts else "") if people else ""
    about = f"Measured{who}{instrument_of(report)}. In brackets the 95 % interval over people; – is not known."
    if report.get("judge_had_part"):
        about += f" {JUDGE_HAD_PART}"
    return "\n\n".join(part for part in (about, table, realism) if part)


def instrument_of(report: dict) -> str:
    """Who measured, as the end of a sentence; empty where a report, as an earlier one, does not say."""
    by, count = report.get("measured_by"), _number(report, "true_hearts_measured", 0)
    if by not in SEEN.values():  # a card and a page are public: no other text passes
        return ""
    given, some = bool(report.get("labels")), count and count != "0"
    whose = f"the true hearts of {count} people, of whom no label map or table tells all"
    if given:
        return " by label maps that were given" + (f"; {by} measured {whose}" if some else "")
    return f" by {by}" + (f", and so were {whose}" if some else "")


def _agreement(report: dict) -> str:
    """A row for each phenotype and a column for each measure of which the report knows anything, "" for none."""
    columns = {c: at for c, at in AGREEMENT.items() if any(_number(report, at[0] % name, at[1]) for name in PHENOTYPES)}
    rows = []
    for name in PHENOTYPES:
        cells = [_number(report, place % name, digits) for place, digits in columns.values()]
        if any(cells):
            rows.append([f"{LABELS[name]}, {UNITS[name]}", *(cell or "–" for cell in cells)])
    return table_of(["", *columns], rows) if rows else ""


def audited(report: dict) -> str:
    """Whether hearts look like copies of training patients; or that this is not known."""
    lines = _lines(report, MEMORISATION)
    if not lines:
        return "Not done yet: whether the generator hands out its training patients is not known."
    hearts, fraction = _number(report, "memorisation.n", 0), _value(report, "memorisation.fraction")
    about = f"{hearts} generated hearts" if hearts else "Generated hearts"
    text = f"{about} against every training heart at hand, and against hearts never trained on.\n\n{lines}"
    if fraction is None or fraction <= COPIES_LIMIT:
        return text
    return f"{text}\n\n**More than {100 * COPIES_LIMIT:.0f} % look like copies: these weights must not be released.**"


def table_of(head: list[str], rows: list) -> str:
    """A Markdown table."""
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|" for cells in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join(lines)


def _lines(report: dict, table: dict[str, tuple[str, int]]) -> str:
    numbers = {label: _number(report, at, digits) for label, (at, digits) in table.items()}
    return "\n".join(f"- {label}: {number}" for label, number in numbers.items() if number)


def _number(report: dict, at: str, digits: int) -> str:
    """The number at a dotted place with its interval, "" where there is none."""
    value = _value(report, at)
    if value is None:
        return ""
    keys = at.split(".")
    # The interval of a.b is a.b_ci, or a_ci.b where a table of numbers has a table of intervals beside it.
    for k in reversed(range(len(keys))):
        ends = _at(report, [*keys[:k], f"{keys[k]}_ci", *keys[k + 1 :]])
        if isinstance(ends, (list, tuple)) and len(ends) == 2 and all(map(_is_number, ends)):
            return f"{_rounded(value, digits)} ({_rounded(ends[0], digits)} to {_rounded(ends[1], digits)})"
    return _rounded(value, digits)


def _value(report: dict, at: str) -> float | None:
    value = _at(report, at.split("."))
    return value if _is_number(value) else None


def _at(report: object, keys: list[str]) -> object:
    for key in keys:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _rounded(value: float, digits: int) -> str:
    """Never a negative zero."""
    return grouped(round(value, digits) + 0.0, digits)
