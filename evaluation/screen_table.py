"""The numbers of a report that matter most, as a table for the screen."""

from functools import reduce
from operator import or_

from cohort.phenotypes import LABELS, PHENOTYPES
from sampling.card_numbers import instrument_of

from .report_numbers import content_at, value_at

WIDTH = 12  # characters of a column of R2
SHARES = ("information_kept", "information_kept_of_many")
NAMES_WIDTH = max(map(len, LABELS.values()))


def table_of(report: dict) -> str:
    """R2 of every phenotype for generated hearts, controls and ceiling; information kept; coverage."""
    columns = {"generated": report["agreement"], "one": report["agreement_of_one_sample"], **report["controls"]}
    columns |= {"ceiling": report["ceiling"]} if "ceiling" in report else {}
    columns["true heart"] = report["measured_on_true_hearts"]
    head = [f"{name:>{WIDTH}s}" for name in columns] + [f"{name:>6s}" for name in ("kept", "many", "90 %")]
    by = instrument_of(report)
    lines = [f"R2, {report['n_subjects']} people, {report['n_samples']} hearts each{by and f', measured{by}'}"]
    lines.append(" ".join([" " * NAMES_WIDTH, *head]))
    for name in PHENOTYPES:
        cells = [f"{table[name]['r2']:{WIDTH}.2f}" for table in columns.values()]
        kept = [value_at(report, key, name) for key in SHARES]
        cells += [f"{share:6.2f}" for share in kept] + [f"{value_at(report, 'coverage', name, '90'):6.0f}"]
        lines.append(" ".join([f"{LABELS[name]:{NAMES_WIDTH}s}", *cells]))
    reasons = (content_at(report, f"{key}_untold") or {} for key in SHARES)
    lines += [f"kept, {LABELS.get(name, name)}: {reason}" for name, reason in reduce(or_, reasons).items()]
    return "\n".join(lines)
