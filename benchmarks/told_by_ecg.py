"""What can be learned of simulated hearts from the numbers in `benchmarks.drawn_people`."""

from collections.abc import Callable

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.drawn_people import RATE, SAMPLES, People
from benchmarks.told_territory import COMPONENTS, learned
from evaluation.auc import area_under_curve
from evaluation.bootstrap import with_intervals

AMOUNTS = ("LV mass", "LVEDV", "LVESV", "RVEDV", "LVEF", "LVEF, normals")
MOTION = ("ES time", "peak filling rate", "dyssynchrony", "atrial share", "opening")
DISEASES = ("EF < 50", "RV overload", "RV dilation", "infarct", "LVH", "hypertrophic")
SOURCES = ("ECG", "person", "both")
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
Told = tuple[float, list[float]]  # R2 or area under the curve, and its 95 % interval over the judged people


def told(learners: People, judged: People, scarred: People, count: int, network: dict | None = None) -> dict:
    """What so many people teach: name -> source -> R2 (AMOUNTS and MOTION) or area under the curve (DISEASES).

    Args:
        count: how many of `learners` teach.
        network: what the product's network says of the judged people, name -> (N,); it counts among "both".

    Returns:
        people, found, intervals (of `found`: low and high), prevalence of DISEASES.
    """
    learners, network = learners.first(count), network or {}
    rows: dict[str, dict[str, Told]] = {}
    for source in SOURCES:
        heard = network if source == "both" else {}
        for name in AMOUNTS:
            further = heard.get("LVEF" if name == "LVEF, normals" else name)
            rows.setdefault(name, {})[source] = _explained(learners, judged, name, source, further=further)
        for name in MOTION:
            row = rows.setdefault(f"{name}, given the rate", {})
            row[source] = _explained(learners, judged, name, source, given=RATE)
        for name in DISEASES:
            rows.setdefault(name, {})[source] = told_apart(learners, judged, name, source, heard.get(name))
    rows["LVH by Sokolow-Lyon"] = {"ECG": _area(judged.truth["LVH"] == 1, judged.ecg[:, _SOKOLOW])}
    rows["territory right"] = {"ECG": _share(_territory(scarred))}
    found, intervals = ({name: {s: v[part] for s, v in row.items()} for name, row in rows.items()} for part in (0, 1))
    prevalence = {name: float(judged.truth[name].mean()) for name in DISEASES}
    return {"people": count, "found": found, "intervals": intervals, "prevalence": prevalence}


_SOKOLOW = -(8 * 12) - 1  # of `ecg_features`, the last number before the samples of P


def _numbers(people: People, source: str) -> np.ndarray:
    return {"ECG": people.ecg, "person": people.person, "both": np.hstack([people.ecg, people.person])}[source]


def _explained(
    learners: People,
    judged: People,
    name: str,
    source: str,
    given: str | None = None,
    further: np.ndarray | None = None,
) -> Told:
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
    if further is not None:
        guesses.append(further[there])
    guesses.append(np.mean(guesses, axis=0))
    best = min(guesses, key=lambda guess: ((truth - guess) ** 2).mean())
    return _with_interval(lambda t, g: float(1 - ((t - g) ** 2).mean() / t.var()), truth, best)


def _with_interval(measure: Callable[..., float], *arrays: np.ndarray) -> Told:
    numbers = with_intervals(lambda *drawn: {"told": measure(*drawn)}, *arrays)
    return numbers["told"], numbers["told_ci"]


def _area(sick: np.ndarray, score: np.ndarray) -> Told:
    return _with_interval(lambda s, x: float(area_under_curve(x[~s], x[s])), sick, score)


def _share(right: np.ndarray) -> Told:
    return _with_interval(lambda found: float(found.mean()), right)


def _regressors(x: np.ndarray) -> list:
    ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    return [ridge, _trees(x, HistGradientBoostingRegressor(**TREES))]


def _trees(x: np.ndarray, boosted: object) -> object:
    """Boosted trees on what a reader measures, and on the principal components of the samples."""
    if x.shape[1] < SAMPLES:
        return boosted
    parts = [("samples", PCA(COMPONENTS, random_state=0), slice(0, SAMPLES))]
    return make_pipeline(ColumnTransformer(parts, remainder="passthrough"), boosted)


def told_apart(learners: People, judged: People, name: str, source: str, further: np.ndarray | None = None) -> Told:
    x, test, sick = _numbers(learners, source), _numbers(judged, source), judged.truth[name] == 1
    linear = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(x, learners.truth[name]).predict(test)
    trees = _trees(x, HistGradientBoostingClassifier(**TREES))
    scores = [linear, trees.fit(x, learners.truth[name]).predict_proba(test)[:, 1]]
    if further is not None:
        scores.append(further)
    scores.append(sum(score.argsort().argsort() for score in scores))
    return _area(sick, max(scores, key=lambda score: area_under_curve(score[~sick], score[sick])))


def _territory(scarred: People) -> np.ndarray:
    """Whether an infarct's territory is named right, of half of them; the other half teach."""
    half = len(scarred.ecg) // 2
    territory = scarred.truth["territory"].astype(int)
    return learned(scarred.ecg[:half], territory[:half], scarred.ecg[half:]) == territory[half:]


def as_table(rows: list[dict]) -> str:
    """Markdown: one line a quantity, the sources of the last row with its interval, and the learning curve of both."""
    curve = [f"both, {row['people']:,}" for row in rows]
    heads = ("", "goal", "ECG", "person", *curve, "95 %")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    last = rows[-1]
    for name, by_source in last["found"].items():
        whole = "both" if "both" in by_source else "ECG"  # some are told by the ECG alone
        alone = [f"{by_source[source]:.2f}" if source in by_source else "" for source in ("ECG", "person")]
        both = [f"{row['found'][name]['both']:.2f}" if whole == "both" else "" for row in rows]
        low, high = last["intervals"][name][whole]
        shown = f"{name} ({last['prevalence'][name]:.1%})" if name in last["prevalence"] else name
        cells = (shown, GOALS.get(name, ""), *alone, *both, f"{low:.2f} to {high:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
