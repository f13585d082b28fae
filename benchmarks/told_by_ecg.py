"""What can be learned of simulated hearts from the numbers in `benchmarks.drawn_people`."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.drawn_people import RATE, SAMPLES, People
from evaluation.auc import area_under_curve

AMOUNTS = ("LV mass", "LVEDV", "LVESV", "RVEDV", "LVEF", "LVEF, normals")
MOTION = ("ES time", "peak filling rate", "dyssynchrony", "atrial share", "opening")
DISEASES = ("EF < 50", "RV overload", "RV dilation", "infarct", "LVH", "hypertrophic")
SOURCES = ("ECG", "person", "both")
COMPONENTS = 40
TREES = {"max_iter": 150, "learning_rate": 0.06, "max_leaf_nodes": 15, "random_state": 0}
PENALTIES = np.logspace(0, 5, 11)
GOALS = {
    "LV mass": "0.55-0.70",
    "LVEDV": "0.35-0.50",
    "RVEDV": "0.35-0.50",
    "LVEF, normals": "> 0.05",
    "EF < 50": "0.82-0.92",
    "RV overload": "0.85-0.95",
    "RV dilation": "0.82-0.91",
    "infarct": "0.80-0.90",
    "territory right": "60-85 %",
    "LVH by Sokolow-Lyon": "0.65-0.75",
    "ES time, given the rate": "0.2-0.6",
    "peak filling rate, given the rate": "0.2-0.6",
    "dyssynchrony, given the rate": "0.2-0.6",
}
Row = dict[str, dict[str, float]]


def told(learners: People, judged: People, scarred: People, count: int) -> dict:
    """Name -> source -> R2 (AMOUNTS and MOTION) or area under the curve (DISEASES), learned from `count` people."""
    learners = People(
        learners.ecg[:count], learners.person[:count], {name: v[:count] for name, v in learners.truth.items()}
    )
    found: Row = {}
    for name in AMOUNTS:
        found[name] = {source: _explained(learners, judged, name, source) for source in SOURCES}
    for name in MOTION:
        found[f"{name}, given the rate"] = {s: _explained(learners, judged, name, s, given=RATE) for s in SOURCES}
    for name in DISEASES:
        found[name] = {source: _told_apart(learners, judged, name, source) for source in SOURCES}
    sokolow = judged.ecg[:, _SOKOLOW]
    heavy = judged.truth["LVH"] == 1
    found["LVH by Sokolow-Lyon"] = {"ECG": area_under_curve(sokolow[~heavy], sokolow[heavy])}
    found["territory right"] = {"ECG": _territory(scarred)}
    prevalence = {name: float(judged.truth[name].mean()) for name in DISEASES}
    return {"people": count, "found": found, "prevalence": prevalence}


_SOKOLOW = -(8 * 12) - 1  # of `ecg_features`, the last number before the samples of P


def _numbers(people: People, source: str) -> np.ndarray:
    return {"ECG": people.ecg, "person": people.person, "both": np.hstack([people.ecg, people.person])}[source]


def _explained(learners: People, judged: People, name: str, source: str, given: str | None = None) -> float:
    """R2 on the judged; of what is left beyond a line through `given`."""
    here, there = (np.isfinite(people.truth[name]) for people in (learners, judged))
    if name == "LVEF, normals":  # everybody teaches, for nobody knows who is normal; the normals are judged
        here = np.ones(len(here), dtype=bool)
    x, test = _numbers(learners, source)[here], _numbers(judged, source)[there]
    taught = learners.truth["LVEF" if name == "LVEF, normals" else name][here]
    truth = judged.truth[name][there]
    if given:
        line = np.polyfit(learners.truth[given][here], taught, 1)
        taught = taught - np.polyval(line, learners.truth[given][here])
        truth = truth - np.polyval(line, judged.truth[given][there])
    guesses = [model.fit(x, taught).predict(test) for model in _regressors(x)]
    guesses.append(np.mean(guesses, axis=0))
    return max(float(1 - ((truth - guess) ** 2).mean() / truth.var()) for guess in guesses)


def _regressors(x: np.ndarray) -> list:
    ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    return [ridge, _trees(x, HistGradientBoostingRegressor(**TREES))]


def _trees(x: np.ndarray, boosted: object) -> object:
    """Boosted trees on what a reader measures, and on the principal components of the samples."""
    if x.shape[1] < SAMPLES:
        return boosted
    parts = [("samples", PCA(COMPONENTS, random_state=0), slice(0, SAMPLES))]
    return make_pipeline(ColumnTransformer(parts, remainder="passthrough"), boosted)


def _told_apart(learners: People, judged: People, name: str, source: str) -> float:
    x, test, sick = _numbers(learners, source), _numbers(judged, source), judged.truth[name] == 1
    linear = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(x, learners.truth[name]).predict(test)
    trees = _trees(x, HistGradientBoostingClassifier(**TREES))
    scores = [linear, trees.fit(x, learners.truth[name]).predict_proba(test)[:, 1]]
    scores.append(sum(score.argsort().argsort() for score in scores))
    return max(area_under_curve(score[~sick], score[sick]) for score in scores)


def _territory(scarred: People) -> float:
    """Share of infarcts whose territory is named right; half of them teach."""
    half = len(scarred.ecg) // 2
    territory = scarred.truth["territory"].astype(int)
    model = make_pipeline(StandardScaler(), PCA(COMPONENTS, random_state=0), LogisticRegression(C=0.03, max_iter=500))
    return float(
        (model.fit(scarred.ecg[:half], territory[:half]).predict(scarred.ecg[half:]) == territory[half:]).mean()
    )


def as_table(rows: list[dict]) -> str:
    """Markdown: one line a quantity, the sources of the last row, and the learning curve of both."""
    curve = [f"both, {row['people']:,} people" for row in rows[:-1]]
    lines = [f"| | goal | {' | '.join((*SOURCES, *curve))} |", "|---" * (2 + len(SOURCES) + len(curve)) + "|"]
    last = rows[-1]
    for name, by_source in last["found"].items():
        known = [f"{by_source[source]:.2f}" if source in by_source else "" for source in SOURCES]
        more = [f"{row['found'][name].get('both', np.nan):.2f}" for row in rows[:-1]]
        told = f"{name} ({last['prevalence'][name]:.1%})" if name in last["prevalence"] else name
        lines.append(f"| {told} | {GOALS.get(name, '')} | {' | '.join((*known, *more))} |")
    return "\n".join(lines)
