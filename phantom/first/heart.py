"""One simulated patient as a list of numbers. `draw_heart` is the only place of `phantom/` where chance enters."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

# Prevalence in the cohort, not in the population: enriched so that a small cohort holds some of each disease.
CONDITIONS = {
    "normal": 0.60,
    "lvh": 0.08,
    "dcm": 0.06,
    "hcm": 0.04,
    "infarct": 0.08,
    "rv_overload": 0.05,
    "lbbb": 0.04,
    "rbbb": 0.05,
}
SCAR_TERRITORIES = ("anterior", "inferior", "lateral")  # of the LAD, the right and the circumflex artery


@dataclass(frozen=True)
class SexNorms:
    """Healthy adults of 45-74 years: mean and SD. Volumes and masses are per body surface area (mL/m2, g/m2).

    UK Biobank, Petersen et al. 2017 (doi:10.1186/s12968-017-0327-9). The log SDs leave out what body size explains.
    """

    height_cm: tuple[float, float]
    bmi: tuple[float, float]
    lvedv_index: float
    lvedv_log_sd: float
    lv_mass_index: float
    lv_mass_log_sd: float
    lvef_percent: tuple[float, float]
    rvef_percent: tuple[float, float]
    chest_width_mm: float
    chest_depth_mm: float
    fat_mm: float


NORMS = {
    "female": SexNorms((162.5, 6.2), (26.2, 4.3), 70.5, 0.12, 42.0, 0.155, (61, 5), (58, 5.2), 290, 205, 13),
    "male": SexNorms((176.0, 6.6), (27.0, 3.8), 80.5, 0.135, 53.0, 0.155, (58, 5), (55, 5.2), 325, 230, 9),
}


@dataclass(frozen=True)
class Heart:
    """Everything that is true of one simulated patient. Rendering it adds nothing by chance.

    Body frame: millimetres, RAS (x to the patient's right, y anterior, z superior; the patient's left is -x), origin
    on the midline, half-way from front to back, level with electrodes V1 and V2 (fourth intercostal space).

    Attributes:
        sphericity: LV cavity length from base to apex / largest diameter, at end-diastole.
        septal_thickness_ratio: septal / lateral wall thickness.
        azimuth_deg: of the long axis (base to apex) in the horizontal plane, from anterior towards the patient's left.
        elevation_deg: of the long axis, below the horizontal.
        roll_deg: about the long axis; 0 puts the RV level with the LV; it lies lower, so about -20.
        centre_mm: (x, y, z) of the LV cavity's equator (its widest short axis) at end-diastole, body frame.
        fat_mm: under the skin of the chest.
        long_axis_shortening_mm: by how much the base descends towards the apex until end-systole.
        condition: a key of CONDITIONS.
        scar_territory: None or one of SCAR_TERRITORIES. scar_extent: share of that territory, 0 to 1.
        plan_tilt_deg: two small angles by which the short-axis stack misses the long axis.
        plan_shift_mm: (u, v, w) by which the stack's middle misses the heart's.
        slice_shift_mm: SD of the breath-hold position from slice to slice.
        endocardial_speed_mm_ms, transmural_speed_mm_ms: of the activation along the inner layer, and across the wall.
        apd_ms: action-potential duration at the endocardium; apd_transmural_ms: how much shorter at the epicardium.
        early_site_shift: of the three early sites of the LV and that of the RV: (degrees round the long axis, ms).
        lv_delay_ms, rv_delay_ms: by which a bundle branch block delays that ventricle; else 0.
        gain: dimensionless factor of the torso's conductivity.
        electrode_shift_mm: for V1 to V6, (towards the patient's left, upwards) along the skin.
        rhythm: "sinus" or "af". rr_variability: SD / mean of the RR intervals. ectopic_beats: in the ten seconds.
        baseline_mv, mains_uv, muscle_uv: RMS of baseline wander, mains hum and muscle noise.
        noise_seed: from which the ECG and the MRI derive their noise; it touches no anatomy.
    """

    sex: str
    age_years: float
    height_cm: float
    weight_kg: float
    bmi: float
    bsa_m2: float
    heart_rate_bpm: float

    lvedv_ml: float
    lvesv_ml: float
    lvef_percent: float
    lv_mass_g: float
    rvedv_ml: float
    rvesv_ml: float
    rvef_percent: float

    sphericity: float
    septal_thickness_ratio: float
    rv_wall_mm: float
    long_axis_shortening_mm: float
    azimuth_deg: float
    elevation_deg: float
    roll_deg: float
    centre_mm: tuple[float, float, float]
    chest_width_mm: float
    chest_depth_mm: float
    fat_mm: float

    condition: str
    scar_territory: str | None
    scar_extent: float

    plan_tilt_deg: tuple[float, float]
    plan_shift_mm: tuple[float, float, float]
    slice_shift_mm: float

    endocardial_speed_mm_ms: float
    transmural_speed_mm_ms: float
    apd_ms: float
    apd_transmural_ms: float
    early_site_shift: tuple[tuple[float, float], ...]
    lv_delay_ms: float
    rv_delay_ms: float
    gain: float
    electrode_shift_mm: tuple[tuple[float, float], ...]
    pr_ms: float
    p_amplitude_mv: float
    rhythm: str
    rr_variability: float
    respiratory_rate_hz: float
    ectopic_beats: int
    baseline_mv: float
    mains_uv: float
    muscle_uv: float
    noise_seed: int

    def replace(self, **changes: object) -> "Heart":
        """The same patient with some numbers changed; those that depend on them are the caller's to change too."""
        return dataclasses.replace(self, **changes)


def draw_heart(seed: int, index: int) -> Heart:
    """Draw patient number `index` of the cohort `seed`; it depends on nothing else."""
    rng = np.random.default_rng([seed, index])
    condition = str(rng.choice(list(CONDITIONS), p=list(CONDITIONS.values())))
    person = _draw_person(rng)
    disease = _draw_disease(rng, condition)
    ventricles = _draw_ventricles(rng, person, condition)
    return Heart(
        **person,
        **ventricles,
        **disease,
        **_draw_shape(rng, condition, ventricles["lvef_percent"]),
        **_draw_position(rng, person, condition),
        **_draw_plan(rng),
        **_draw_electrophysiology(rng, person, condition),
        **_draw_recording(rng),
    )


def _normal(rng: np.random.Generator, mean: float, sd: float, low: float = -math.inf, high: float = math.inf) -> float:
    return float(np.clip(rng.normal(mean, sd), low, high))


def _log_normal(rng: np.random.Generator, median: float, log_sd: float) -> float:
    return float(median * np.exp(rng.normal(0, log_sd)))


def _draw_person(rng: np.random.Generator) -> dict:
    sex = str(rng.choice(["female", "male"]))
    norms = NORMS[sex]
    height = _normal(rng, *norms.height_cm, 140, 205)
    bmi = float(np.clip(_log_normal(rng, norms.bmi[0], norms.bmi[1] / norms.bmi[0]), 17, 45))
    weight = bmi * (height / 100) ** 2
    return {
        "sex": sex,
        "age_years": float(np.round(rng.uniform(45, 80), 1)),
        "height_cm": height,
        "weight_kg": weight,
        "bmi": bmi,
        "bsa_m2": math.sqrt(height * weight / 3600),  # Mosteller 1987
        "heart_rate_bpm": _normal(rng, 63, 10, 42, 105),
    }


def _draw_disease(rng: np.random.Generator, condition: str) -> dict:
    territory = str(rng.choice(SCAR_TERRITORIES, p=[0.45, 0.35, 0.20]))
    extent = float(rng.uniform(0.45, 1.0))
    infarct = condition == "infarct"
    return {
        "condition": condition,
        "scar_territory": territory if infarct else None,
        "scar_extent": extent if infarct else 0.0,
    }


def _draw_ventricles(rng: np.random.Generator, person: dict, condition: str) -> dict:
    """Volumes and mass: healthy values first, then what the disease does to them.

    A correlation of 0.6 beyond body size gives log LVEDV and log mass r of about 0.7 within a sex; both ventricles
    eject nearly the same stroke volume, which ties RVEDV to LVEDV (r of about 0.8).
    """
    norms, bsa = NORMS[person["sex"]], person["bsa_m2"]
    z_edv, z_mass, z_ef, z_rvef = rng.normal(size=4).tolist()
    z_mass = 0.6 * z_edv + 0.8 * z_mass
    z_rvef = 0.35 * z_ef + math.sqrt(1 - 0.35**2) * z_rvef
    ageing = math.exp(-0.003 * (person["age_years"] - 62))
    slow_heart = math.exp(-0.0025 * (person["heart_rate_bpm"] - 63))
    edv = norms.lvedv_index * bsa * math.exp(norms.lvedv_log_sd * z_edv) * ageing * slow_heart
    mass = norms.lv_mass_index * bsa * math.exp(norms.lv_mass_log_sd * z_mass)
    ef = float(np.clip(norms.lvef_percent[0] + norms.lvef_percent[1] * z_ef, 50, 75))
    rvef = float(np.clip(norms.rvef_percent[0] + norms.rvef_percent[1] * z_rvef, 42, 72))
    regurgitation = float(np.exp(rng.normal(0, 0.03)))

    healthy_stroke = edv * ef / 100 * regurgitation
    edv_factor, mass_factor, ef, rv_factor = _remodelling(rng, condition, ef)
    edv, mass = edv * edv_factor, mass * mass_factor
    stroke = edv * ef / 100 * regurgitation
    # A failing left ventricle leaves the right one less to eject, not a smaller cavity: hence the healthy stroke here.
    rvedv = max(healthy_stroke * rv_factor / (rvef / 100), stroke / 0.72)
    return {
        "lvedv_ml": edv,
        "lvesv_ml": edv * (1 - ef / 100),
        "lvef_percent": ef,
        "lv_mass_g": mass,
        "rvedv_ml": rvedv,
        "rvesv_ml": rvedv - stroke,
        "rvef_percent": 100 * stroke / rvedv,
    }


def _remodelling(rng: np.random.Generator, condition: str, ef: float) -> tuple[float, float, float, float]:
    """What a condition makes of LVEDV, LV mass, LVEF (percent, the new value) and RVEDV."""
    a, b, c = rng.uniform(size=3).tolist()
    match condition:
        case "lvh":  # concentric: mass without dilatation
            return 0.88 + 0.15 * a, 1.40 + 0.55 * b, min(ef + 4 * c, 76), 1.0
        case "dcm":
            return 1.5 + 0.5 * a, 1.25 + 0.35 * b, 20 + 20 * c, 1.0 + 0.15 * a
        case "hcm":
            return 0.82 + 0.15 * a, 1.35 + 0.55 * b, min(ef + 2 + 6 * c, 78), 1.0
        case "infarct":
            return 1.0 + 0.35 * a, 1.0 + 0.12 * b, 33 + 18 * c, 1.0
        case "rv_overload":
            return 0.85 + 0.13 * a, 1.0, ef - 4 * c, 1.4 + 0.5 * b
        case "lbbb":
            return 1.0 + 0.15 * a, 1.0 + 0.10 * b, ef - 2 - 6 * c, 1.0
        case _:
            return 1.0, 1.0, ef, 1.0


def _draw_shape(rng: np.random.Generator, condition: str, ef: float) -> dict:
    sphericity = _normal(rng, {"dcm": 1.50, "lvh": 1.85, "hcm": 1.85}.get(condition, 1.75), 0.10, 1.25, 2.15)
    septum = float(rng.uniform(1.5, 2.2)) if condition == "hcm" else _normal(rng, 1.08, 0.06, 0.9, 1.3)
    rv_wall = float(rng.uniform(6, 8)) if condition == "rv_overload" else _normal(rng, 3.3, 0.35, 2.5, 4.5)
    return {
        "sphericity": sphericity,
        "septal_thickness_ratio": septum,
        "rv_wall_mm": rv_wall,
        "long_axis_shortening_mm": _normal(rng, 14 * ef / 60, 1.3, 3, 19),
    }


def _draw_position(rng: np.random.Generator, person: dict, condition: str) -> dict:
    """Where the heart lies. A stout belly lifts the diaphragm and lays the heart down; a large RV turns the apex."""
    norms, stoutness = NORMS[person["sex"]], person["bmi"] - 26.5
    overload = condition == "rv_overload"
    width = _normal(rng, norms.chest_width_mm + 5.0 * stoutness, 9, 250, 460)
    depth = _normal(rng, norms.chest_depth_mm + 5.0 * stoutness, 9, 170, 360)
    fat = _normal(rng, norms.fat_mm + 1.2 * stoutness, 2, 4, 45)
    # The right ventricle lies against the front wall of the chest.
    forward = _normal(rng, depth / 2 - fat - 74, 5, -10, 60)
    centre = (_normal(rng, -34, 6, -55, -15), forward, _normal(rng, -18 + 0.8 * stoutness, 8, -45, 15))
    return {
        "azimuth_deg": _normal(rng, 46 + 8 * overload, 8, 20, 75),
        "elevation_deg": _normal(rng, 31 - 0.8 * stoutness, 7, 5, 58),
        "roll_deg": _normal(rng, -22, 8, -45, 5),
        "centre_mm": centre,
        "chest_width_mm": width,
        "chest_depth_mm": depth,
        "fat_mm": fat,
    }


def _draw_plan(rng: np.random.Generator) -> dict:
    return {
        "plan_tilt_deg": tuple(float(x) for x in rng.normal(0, 2.0, size=2).clip(-5, 5)),
        "plan_shift_mm": tuple(float(x) for x in rng.normal(0, [5.0, 5.0, 0.5]).clip(-12, 12)),
        "slice_shift_mm": float(rng.uniform(0.5, 1.8)),
    }


# ---- Electrophysiology ----
# Speeds and durations: Durrer 1970 (activation of the human heart), Taggart 2000 (across the wall), Drouin 1995 (APD).


def _draw_electrophysiology(rng: np.random.Generator, person: dict, condition: str) -> dict:
    delay, left_too, af_chance = float(rng.uniform(45, 60)), rng.uniform() < 0.4, rng.uniform()
    lv_blocked = condition == "lbbb" or (condition == "dcm" and left_too)
    af = af_chance < 0.02 + 0.001 * (person["age_years"] - 45) + 0.06 * (condition == "dcm")
    ectopic = int(rng.poisson(0.08 if condition == "normal" else 0.3))
    return {
        "endocardial_speed_mm_ms": _normal(rng, 0.99, 0.13, 0.65, 1.4),
        "transmural_speed_mm_ms": _normal(rng, 0.42, 0.055, 0.28, 0.58),
        "apd_ms": _normal(rng, 312, 12, 272, 352) * (63 / person["heart_rate_bpm"]) ** 0.25,
        "apd_transmural_ms": _normal(rng, 11, 3, 3, 20),
        "early_site_shift": tuple((float(x), float(ms)) for x, ms in rng.normal(0, [8, 2], size=(4, 2))),
        "lv_delay_ms": delay if lv_blocked else 0.0,
        "rv_delay_ms": delay if condition == "rbbb" else 0.0,
        "gain": _log_normal(rng, 1.0, 0.2),
        "pr_ms": _normal(rng, 165, 20, 120, 240),
        "p_amplitude_mv": _log_normal(rng, 0.11, 0.25),
        "rhythm": "af" if af else "sinus",
        "rr_variability": _log_normal(rng, 0.18 if af else 0.03, 0.25 if af else 0.4),
        "ectopic_beats": min(ectopic, 3),
    }


def _draw_recording(rng: np.random.Generator) -> dict:
    """The circumstances of the ten seconds: electrodes, breathing, noise."""
    return {
        "electrode_shift_mm": tuple((float(x), float(z)) for x, z in rng.normal(0, [8, 10], size=(6, 2)).clip(-30, 30)),
        "respiratory_rate_hz": _normal(rng, 0.25, 0.04, 0.12, 0.4),
        "baseline_mv": _log_normal(rng, 0.06, 0.5),
        "mains_uv": _log_normal(rng, 4, 0.6),
        "muscle_uv": _log_normal(rng, 7, 0.5),
        "noise_seed": int(rng.integers(10_000_000, 2**31)),  # never in the range of a participant id
    }
