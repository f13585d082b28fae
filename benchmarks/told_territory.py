"""Where the infarct is: its territory, told from the walls of a heart code, from the whole code, and from the ECG.

A territory's wall is one quarter of the LV. The code holds each quarter's mean thickness, from base to apex.
"""

import csv
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from phantom.heart import SCAR_TERRITORIES

WALLS = tuple(f"wall_{territory}" for territory in SCAR_TERRITORIES)
NO_SCAR = -1
PENALTY, COMPONENTS = 0.03, 40  # of the logistic regression
FEWEST = 20  # people with a scar, below which no share is told


def scars_of(data: Path, eids: np.ndarray) -> np.ndarray:
    """(n,) index of SCAR_TERRITORIES, NO_SCAR for people without one, of a phantom cohort's truth.csv."""
    with (data / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = {int(row["eid"]): row["scar_territory"] for row in csv.DictReader(file)}
    return np.array([SCAR_TERRITORIES.index(rows[int(e)]) if rows[int(e)] else NO_SCAR for e in eids])


def thinnest(walls: np.ndarray, scars: np.ndarray) -> np.ndarray:
    """(n,) which of WALLS is the thinnest, each in shares of its mean in people without a scar; walls: (n, 3) mm."""
    return (walls / np.nanmean(walls[scars == NO_SCAR], axis=0)).argmin(axis=1)


def learned(taught: np.ndarray, scars_taught: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """(n,) territory by a logistic regression of numbers (N, F), which people with a scar teach."""
    x, y = taught[scars_taught != NO_SCAR], scars_taught[scars_taught != NO_SCAR]
    parts = [PCA(COMPONENTS, random_state=0)] if min(x.shape) > COMPONENTS else []
    model = make_pipeline(StandardScaler(), *parts, LogisticRegression(C=PENALTY, max_iter=500))
    return model.fit(x, y).predict(heard)


def territory_table(named: dict[str, np.ndarray], scars: np.ndarray) -> list[dict]:
    """One line a way to tell: the share of people with a scar whose territory is named right, and its 95 % interval.

    Args:
        named: territories (n,) by who names them.
    """
    sick = scars != NO_SCAR
    if sick.sum() < FEWEST:
        return []
    usual = np.bincount(scars[sick]).argmax()
    everything = {**named, f"always {SCAR_TERRITORIES[usual]}": np.full(len(scars), usual)}
    rows = []
    for who, told in everything.items():
        right = float((told == scars)[sick].mean())
        half = 1.96 * (right * (1 - right) / sick.sum()) ** 0.5
        rows.append(
            {
                "told by": who,
                "right": f"{100 * right:.0f} %",
                "95 %": f"{100 * max(right - half, 0):.0f} to {100 * min(right + half, 1):.0f}",
                "people": int(sick.sum()),
            }
        )
    return rows
