"""What is said of an ECG that is unlike those a pipeline learned from: a warning, wider answers, or none.

The hearts are drawn in any case: whoever asks wants to see what the networks make of it. But numbers travel without
their picture and its warning. So they are the ones withheld.
"""

import math
from dataclasses import dataclass

from models.usual_ecgs import UsualECGs

WARNED_FROM = 2.0  # surprise: one usual ECG of a hundred is so unlike
MOST_COUNTED = 1000  # held-out ECGs at most say how unlike usual ones may be: a rarer share is a guess
CANNOT_TELL = "this pipeline cannot tell which ECGs are unlike those it learned from"
NO_LEAD = "too few leads to tell how unlike this ECG is"
NO_PHENOTYPES = "phenotypes are withheld"
WITHHELD = f"{NO_PHENOTYPES}: this ECG is unlike those the model knows"


@dataclass(frozen=True)
class Unlike:
    """How unlike one ECG is those that taught.

    Attributes:
        surprise: -log10 of the share of usual ECGs that are more unlike; None where nobody can tell.
        widened: the factor of the codes' spread. withheld: whether no phenotype is told.
        reason: why nobody can tell; empty else.
    """

    surprise: float | None
    widened: float = 1.0
    withheld: bool = False
    reason: str = ""

    @classmethod
    def of(cls, part: UsualECGs | None, surprise: float) -> "Unlike":
        """From the pipeline's part and what its `unlikeness` says, NaN where it cannot tell."""
        if part is None or math.isnan(surprise):
            return cls(None, reason=CANNOT_TELL if part is None else NO_LEAD)
        widened = float(part.widening_at(part.centre.new_tensor([surprise])))
        return cls(surprise, widened, part.withholds(surprise))

    @property
    def warned(self) -> bool:
        return self.surprise is not None and self.surprise >= WARNED_FROM

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence where an ECG is out of the ordinary."""
        if not self.warned:
            return ()
        rare = f"fewer than 1 of {_round(min(10**self.surprise, MOST_COUNTED)):,} usual ones is more unlike"
        then = NO_PHENOTYPES if self.withheld else f"intervals are {self.widened:.1f} times as wide"
        return (f"this ECG is unlike those the model knows: {rare}; {then}",)

    @property
    def record(self) -> dict:
        """What heart.json says of it."""
        if self.surprise is None:
            return {"surprise": None, "reason": self.reason}
        return {
            "surprise": round(self.surprise, 2),
            "share_of_usual_ecgs_more_unlike": 10**-self.surprise,
            "warned": self.warned,
            "spread_widened_by": round(self.widened, 2),
            "phenotypes_withheld": self.withheld,
        }


def _round(count: float) -> int:
    """With one digit that counts, rounded down."""
    power = 10 ** math.floor(math.log10(count))
    return int(count // power * power)
