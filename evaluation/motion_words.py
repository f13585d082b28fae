"""The numbers of motion in words, for pages and verdicts."""

from cohort.beat import QUARTERS

MOTION_WORDS = {
    "ES_share": "end-systole, share of the cycle",
    "peak_ejection": "peak ejection, SV a cycle",
    "peak_filling": "peak filling, SV a cycle",
    "atrial_share": "atrial share of filling",
    "dyssynchrony": "dyssynchrony, share of the cycle",
    **{f"thickening_{quarter}": f"thickening, {quarter}" for quarter in QUARTERS},
}
