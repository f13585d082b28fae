"""The numbers of a report that matter most, as a table for the screen."""

from cohort.phenotypes import PHENOTYPES
from sampling.card_numbers import instrument_of

from .report_numbers import value_at

WIDTH = 12  # characters of a column of R2
NAMES_WIDTH = max(map(len, PHENOTYPES))


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
        kept = [value_at(report, key, name) for key in ("information_kept", "information_kept_of_many")]
        cells += [f"{share:6.2f}" for share in kept] + [f"{value_at(report, 'coverage', name, '90'):6.0f}"]
        lines.append(" ".join([f"{name:{NAMES_WIDTH}s}", *cells]))
    return "\n".join(lines)
