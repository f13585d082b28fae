"""What heart.json says to support a decision, as words of a page."""

from dataclasses import dataclass

from cohort.phenotypes import LABELS

MARKED_Z = 2.0  # from here on a departure is called one
DOUBTFUL = "possibly two people"  # the verdict of a pair that speaks against one person
NO_VERDICTS = (
    "No verdict beside healthy people: simulated patients alone taught the weights, and this ECG is not a simulated "
    "patient's (sample.py --show-unproven shows it)."
)
OF_SIMULATED = "These are numbers of simulated patients with such an ECG, not of this patient."


@dataclass(frozen=True)
class DecisionRows:
    """Lines of a page.

    Attributes:
        withheld, unproven: a sentence, or empty. told_by: whose numbers these are.
        chances: (condition, "7 in 100" or why none is told, its limit).
        z_scores: (phenotype, z of what the ECG leads one to expect, z of the real heart beside it); empty texts where
            there is none.
        pair: what is said of ECG and MRI; empty without an MRI. doubtful: whether it speaks against one person.
        no_map: why there is no map; empty else.
    """

    withheld: str
    unproven: str = ""
    told_by: str = ""
    chances: tuple[tuple[str, str, str], ...] = ()
    z_scores: tuple[tuple[str, str, str], ...] = ()
    pair: str = ""
    doubtful: bool = False
    no_map: str = ""


def of_simulated(record: dict) -> bool:
    """Whether the phenotypes of a heart.json are told, and are those of simulated patients, as OF_SIMULATED says."""
    support = record.get("decision_support")
    unproven = "decision_support_withheld" in record if support is None else "unproven" in support
    return unproven and bool(record.get("phenotypes"))


def without_verdicts(record: dict) -> bool:
    """Whether nothing is judged beside healthy people, as NO_VERDICTS says; `--show-unproven` judges it."""
    return of_simulated(record) and record.get("decision_support") is None


def decision_rows(record: dict) -> DecisionRows | None:
    """The lines of one heart.json; None where it says nothing of the kind."""
    if "decision_support" not in record:
        return None
    support = record["decision_support"]
    if support is None:
        return DecisionRows(record["decision_support_withheld"])
    real = support.get("beside_mri")
    departures = {} if real is None else real["z_scores"]
    return DecisionRows(
        "",
        support.get("unproven", ""),
        support["told_by"],
        tuple((about["words"], _in_100(about), about["limit"]) for about in support["probabilities"].values()),
        tuple((LABELS[name], _signed(z), _signed(departures.get(name))) for name, z in support["z_scores"].items()),
        "" if real is None else _pair(real),
        real is not None and real["verdict"] == DOUBTFUL,
        "" if real is None else real.get("why_no_z_maps", ""),
    )


def _in_100(about: dict) -> str:
    chance = about["probability"]
    return about["why"] if chance is None else f"{100 * chance:.0f} in 100"


def _signed(z: float | None) -> str:
    if z is None:
        return ""
    return f"{z:+.1f}{' *' if abs(z) >= MARKED_Z else ''}"


def _pair(real: dict) -> str:
    chance = real["probability_of_one_person"]
    if chance is None:
        return f"ECG and MRI: {real['verdict']}, too little of the real heart is measured."
    before = 100 * (1 - real["share_of_exchanged_pairs_supposed"])
    return (
        f"ECG and MRI: {real['verdict']}. The probability of one person was supposed to be {before:g} in 100 before "
        f"looking, and is {100 * chance:.0f} in 100 after."
    )
