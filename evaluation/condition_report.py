"""Who tells the ill from the well: probabilities, generated hearts, the ceiling, boosted trees, voltage criteria."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from cohort.person import Person
from cohort.prepared import PreparedCohort
from sampling.heart_page import person_of

from .chances import chance_of, has_it, read_lines
from .conditions import Condition, conditions
from .ecg_measures import MEASURES, measures_of
from .ill_or_well import PROBABILITY, told_apart, why_untold
from .measuring import Measured
from .report import mean_of_samples
from .study import Study
from .training_people import TrainingPeople

GENERATED, CEILING, TREES = "generated", "ceiling", "trees"
CRITERIA = {"LVH": {"sokolow_lyon": "Sokolow-Lyon", "cornell": "Cornell"}}  # of a condition, among MEASURES
SMALL_TREES = {"max_iter": 80, "learning_rate": 0.08, "max_depth": 3, "min_samples_leaf": 8, "l2_regularization": 5.0}
FOLDS = 5  # where the training people are not at hand
TEACHERS = 5000  # people, at most: their ECGs are measured first
NO_DYSSYNCHRONY = "not judged here: phenotypes do not tell it"


@dataclass(frozen=True, eq=False)
class Measures:
    """n people whose ECGs were measured. Attributes: numbers (n, F) of ECG and person; truth (n, K); people."""

    numbers: np.ndarray
    truth: np.ndarray
    people: list[Person]

    @classmethod
    def of(cls, cohort: PreparedCohort, rows: np.ndarray) -> "Measures":
        rate = cohort.preparation.sampling_rate
        person = np.asarray(cohort.person[rows], dtype=float)
        ecg = measures_of(cohort.ecg[rows], cohort.lead_mask[rows], rate)
        truth = np.asarray(cohort.phenotypes[rows], dtype=float)
        return cls(np.hstack([ecg, person[:, :4]]), truth, [person_of(row) for row in person])

    def criterion(self, name: str) -> np.ndarray:
        """(n,) one of MEASURES."""
        return self.numbers[:, MEASURES.index(name)]


def condition_report(study: Study, generated: Measured, training: TrainingPeople | None) -> dict:
    """What report.json says of each condition of decision support, and of whom boosted trees learned.

    Args:
        generated: what the generated hearts measure. training: the people who taught, where they are at hand.
    """
    people = [person_of(patient.person) for patient in study.patients]
    cases = {condition.name: cases_of(condition, study.truth, people) for condition in conditions()}
    counted = [condition for condition in conditions() if not why_untold(cases[condition.name])]
    scores: dict[str, dict] = {condition.name: {} for condition in conditions()}
    told_by = {}
    if counted:
        own = Measures.of(study.cohort, study.rows)
        teachers = _teachers(study, training)
        told_by = {"trees_learned_from": _said_of(teachers, own)}
        lines, hearts = read_lines(study.folder), mean_of_samples(generated.phenotypes)
        for condition in counted:
            told = (
                chance_of(condition, *one, lines.get(condition.name)) for one in zip(study.codes, people, strict=True)
            )
            scores[condition.name] = {
                PROBABILITY: np.array([np.nan if chance is None else chance for chance in told]),
                GENERATED: beyond_of(condition, hearts, people),
                **({} if study.ceiling is None else {CEILING: beyond_of(condition, study.ceiling, people)}),
                TREES: trees_odds(condition, own, teachers, study.seed),
                **{key: own.criterion(name) for key, name in CRITERIA.get(condition.name, {}).items()},
            }
    table = {
        condition.name: {"words": condition.words, "limit": condition.source}
        | told_apart(cases[condition.name], scores[condition.name])
        for condition in conditions()
    }
    table["dyssynchrony"] = {"words": "dyssynchrony", "untold": NO_DYSSYNCHRONY}
    return told_by | {"conditions": table}


def cases_of(condition: Condition, truth: np.ndarray, people: Sequence[Person]) -> np.ndarray:
    """(n,) 1 ill, 0 well by phenotypes (n, K); NaN where unknown, or not judged of such a person."""
    told = zip(truth, people, strict=True)
    return np.array(
        [np.nan if condition.why_not(person) else has_it(condition, values, person) for values, person in told]
    )


def beyond_of(condition: Condition, phenotypes: np.ndarray, people: Sequence[Person]) -> np.ndarray:
    """(n,) how far phenotypes (n, K) lie beyond the limit; NaN as of `cases_of`."""
    told = zip(phenotypes, people, strict=True)
    beyond = [np.nan if condition.why_not(who) else condition.beyond(values, who) for values, who in told]
    return np.array(beyond, dtype=float)


def trees_odds(condition: Condition, own: Measures, teachers: Measures | None, seed: int) -> np.ndarray:
    """(n,) log-odds of a condition by boosted trees; NaN where too few of those who teach have it, or have it not.

    Args:
        own: the judged people. teachers: others; None: the judged teach each other, in FOLDS.
    """
    odds = np.full(len(own.people), np.nan)
    learned = own if teachers is None else teachers
    cases = cases_of(condition, learned.truth, learned.people)
    if why_untold(cases):
        return odds
    known = np.flatnonzero(np.isfinite(cases))
    if teachers is not None:
        return _taught(teachers, known, cases, seed).decision_function(own.numbers)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(known, cases[known])
    for taught, judged in folds:
        trees = _taught(own, known[taught], cases, seed)
        odds[known[judged]] = trees.decision_function(own.numbers[known[judged]])
    return odds


def _taught(learned: Measures, rows: np.ndarray, cases: np.ndarray, seed: int) -> HistGradientBoostingClassifier:
    trees = HistGradientBoostingClassifier(**SMALL_TREES, early_stopping=False, random_state=seed)
    return trees.fit(learned.numbers[rows], cases[rows] > 0)


def _teachers(study: Study, training: TrainingPeople | None) -> Measures | None:
    """Training people, unless the judged are among them."""
    if training is None or training.include(study.cohort, study.rows):
        return None
    return Measures.of(training.cohort, training.rows[:TEACHERS])


def _said_of(teachers: Measures | None, own: Measures) -> str:
    if teachers is None:
        return f"the other {FOLDS - 1} fifths of these {len(own.people)} people"
    return f"{len(teachers.people)} training people"
