"""One simulated patient as a list of numbers. `draw_heart` is the only place of `phantom/` where chance enters."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from phantom.acquisition import Acquisition, draw_acquisition
from phantom.chance import log_normal, normal
from phantom.population import POPULATIONS, Population
from phantom.recording import Recording, draw_recording

SCAR_TERRITORIES = ("anterior", "inferior", "lateral")  # of the LAD, the right and the circumflex artery
# Every use of chance starts a generator of its own, so that none follows another.
PERSON, DISEASE, VENTRICLES, SHAPE, POSITION, ELECTRICITY, MOTION, RECORDING, ACQUISITION, NOISE, VISIT = range(11)


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
    "female": SexNorms((162.5, 6.2), (26.2, 4.3), 70.5, 0.126, 42.0, 0.165, (61, 5), (58.4, 4.9), 290, 205, 13),
    "male": SexNorms((176.0, 6.6), (27.0, 3.8), 80.5, 0.165, 53.0, 0.165, (58, 5), (55, 4.8), 325, 230, 9),
}
MASS_PER_MMHG = 0.003  # log LV mass per mmHg of systolic pressure, in the healthy
NORMAL_PRESSURE_MMHG = 136.0
# Load, valves and treatment let patients' cavities differ more than those of the healthy; the walls follow by half.
PATIENTS_LOG_SD = 0.20
FAT_POWER = -0.35  # cavities follow lean mass: a high BMI adds less to them than to the BSA


@dataclass(frozen=True)
class Heart:
    """Everything that is true of one simulated patient. Rendering it adds nothing by chance.

    Body frame: millimetres, RAS (x to the patient's right, y anterior, z superior; the patient's left is -x). Its
    origin is on the midline, half-way from front to back, level with V1 and V2 (fourth intercostal space).

    Attributes:
        systolic_bp_mmhg: blood pressure of the arm; it thickens the wall and delays ejection.
        sphericity: LV cavity length from base to apex / largest diameter, at end-diastole.
        septal_thickness_ratio: septal / lateral wall thickness.
        outline: of the LV cavity's short axis, which is no circle: cosine and sine parts of 2 and of 3 lobes, as
            shares of the radius. septal_flattening: share by which the septum lies nearer than that.
        wall_pattern: uneven thickness round the wall: cosine and sine parts of 2 and of 3 lobes.
        trabecular_share: of the cavity's radius that the trabeculated layer takes up.
        papillary_scale: of the papillary muscles' thickness. papillary_turn_deg: of each round the long axis.
        pattern_seed: of the pattern of trabeculae, fat and vessels, the same at every visit.
        twist_deg: by which the apex turns against the base until end-systole.
        azimuth_deg: of the long axis (base to apex) in the horizontal plane, from anterior towards the patient's left.
        elevation_deg: of the long axis, below the horizontal.
        roll_deg: about the long axis; 0 puts the RV level with the LV; it lies lower, so about -20.
        centre_mm: (x, y, z) of the LV cavity's equator (its widest short axis) at end-diastole, body frame.
        fat_mm: under the skin of the chest.
        long_axis_shortening_mm: by how much the base descends towards the apex until end-systole.
        condition: a key of CONDITIONS. severity: from 0, hardly more than normal, to 1.
        scar_territory: None or one of SCAR_TERRITORIES. scar_extent: share of that territory, 0 to 1.
        endocardial_speed_mm_ms, transmural_speed_mm_ms: of the activation along the inner layer, and across the wall.
        basal_slowing: share of the endocardial speed that is missing at the base. fibre_anisotropy: how much faster the
            front runs round the long axis than along it.
        apd_ms: action-potential duration at the endocardium; apd_transmural_ms: how much shorter at the epicardium;
            apd_apicobasal_ms: at the apex than at the base; apd_sideways_ms: every 30 mm towards lateral.
        apd_per_activation: ms by which an action potential is shorter for each ms that its cell is excited later.
        plateau_slope: share of the recovery that is spread over the plateau. notch: depth of phase 1, epicardium.
        plateau_gradient: by which action potentials are higher every 30 mm along u, v, w: it shifts the ST segment.
        early_site_shift: of the three early sites of the LV and that of the RV: degrees round the long axis, share of
            that axis, ms.
        lv_delay_ms, rv_delay_ms: by which a block of its bundle delays that ventricle; below 40 incomplete.
        scar_depth: share of the wall, from the endocardium, that a scar has silenced.
        voltage_per_mass: of the ventricles, against what their bare anatomy gives; the atria know it not.
        gain: dimensionless factor of the torso's conductivity. chest_gain: of the chest leads besides.
        torso_scatter: what lungs, fat and bone add to the rows of leads I, II, V1 to V6 (Dower's axes), shares of their
            lengths.
        electrode_bias_mm: for V1 to V6, (left, up): by which this person's landmarks mislead any technician.
        pr_ms, p_duration_ms, p_axis_deg, p_amplitude_mv: of the P wave.
        rhythm: "sinus" or "af". rr_variability: SD / mean of the RR intervals. ectopic_beats: in the ten seconds.
        contractility: SDs from the mean of healthy people; it speeds the twitch, raises EF and tightens recovery.
        coupling_ms: from a cell's activation to the first force of its twitch.
        systole_shift_ms: by which mechanical systole outlasts what the QT interval leads one to expect.
        relaxation_ms: from the aortic valve's closing to the mitral valve's opening.
        early_filling_ms: duration of early filling. atrial_share: of the stroke volume that the atrium fills.
        discoordination: how far early muscle stretches late muscle: share of the mean shortening.
        scar_bulge: outward motion of a scar, as a share of the mean inward motion.
        recording: of the ECG. acquisition: of the MRI.
        noise_seed: from which the ECG and the MRI derive their noise, each by a key; it touches no anatomy.
    """

    sex: str
    age_years: float
    height_cm: float
    weight_kg: float
    bmi: float
    bsa_m2: float
    heart_rate_bpm: float
    systolic_bp_mmhg: float

    lvedv_ml: float
    lvesv_ml: float
    lvef_percent: float
    lv_mass_g: float
    rvedv_ml: float
    rvesv_ml: float
    rvef_percent: float

    sphericity: float
    septal_thickness_ratio: float
    outline: tuple[float, float, float, float]
    septal_flattening: float
    wall_pattern: tuple[float, float, float, float]
    trabecular_share: float
    papillary_scale: float
    papillary_turn_deg: tuple[float, float]
    pattern_seed: int
    twist_deg: float
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
    severity: float
    scar_territory: str | None
    scar_extent: float

    endocardial_speed_mm_ms: float
    transmural_speed_mm_ms: float
    basal_slowing: float
    fibre_anisotropy: float
    apd_ms: float
    apd_transmural_ms: float
    apd_apicobasal_ms: float
    apd_sideways_ms: float
    apd_per_activation: float
    plateau_slope: float
    notch: float
    plateau_gradient: tuple[float, float, float]
    early_site_shift: tuple[tuple[float, float, float], ...]
    lv_delay_ms: float
    rv_delay_ms: float
    scar_depth: float
    gain: float
    voltage_per_mass: float
    chest_gain: float
    torso_scatter: tuple[tuple[float, float, float], ...]
    electrode_bias_mm: tuple[tuple[float, float], ...]
    pr_ms: float
    p_duration_ms: float
    p_axis_deg: float
    p_amplitude_mv: float
    rhythm: str
    rr_variability: float
    ectopic_beats: int

    contractility: float
    coupling_ms: float
    systole_shift_ms: float
    relaxation_ms: float
    early_filling_ms: float
    atrial_share: float
    discoordination: float
    scar_bulge: float

    recording: Recording
    acquisition: Acquisition
    noise_seed: int

    def replace(self, **changes: object) -> "Heart":
        """The same patient with some numbers changed; those that depend on them are the caller's to change too.

        Names of `Recording` and `Acquisition` are found there.
        """
        for part in ("recording", "acquisition"):
            names = changes.keys() & getattr(self, part).__dataclass_fields__.keys()
            if names:
                inner = dataclasses.replace(getattr(self, part), **{name: changes.pop(name) for name in names})
                changes[part] = inner
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True)
class Draw:
    """What a patient is drawn from, beside seed and number.

    Attributes:
        condition: a key of CONDITIONS that everybody has, or None for the population's mixture.
        population: a key of POPULATIONS. scanner: one of `phantom.acquisition.SCANNERS`.
        visit: from 1; another one records and images the same heart anew.
    """

    condition: str | None = None
    population: str = "usual"
    scanner: str = "usual"
    visit: int = 1


def draw_heart(seed: int, index: int, draw: Draw = Draw()) -> Heart:
    """Draw patient number `index` of the cohort `seed`; it depends on nothing else but `draw`."""

    def chance(key: int, *more: int) -> np.random.Generator:
        return np.random.default_rng([seed, index, key, *more])

    population = POPULATIONS[draw.population]
    person = _draw_person(chance(PERSON), population)
    disease = _draw_disease(chance(DISEASE), population, draw.condition)
    ventricles, contractility = _draw_ventricles(chance(VENTRICLES), person, disease)
    electricity = _draw_electrophysiology(chance(ELECTRICITY), person, disease, contractility, ventricles)
    heart = Heart(
        **person,
        **ventricles,
        **disease,
        **_draw_shape(chance(SHAPE), disease, ventricles["lvef_percent"]),
        **_draw_position(chance(POSITION), person, disease),
        **electricity,
        **_draw_motion(chance(MOTION), person, ventricles, electricity["rhythm"]),
        contractility=contractility,
        recording=draw_recording(chance(RECORDING, draw.visit)),
        acquisition=draw_acquisition(chance(ACQUISITION, draw.visit), draw.scanner),
        noise_seed=int(chance(NOISE, draw.visit).integers(10_000_000, 2**31)),  # never in the range of a participant id
    )
    return heart if draw.visit == 1 else _at_another_visit(chance(VISIT, draw.visit), heart)


def _at_another_visit(rng: np.random.Generator, heart: Heart) -> Heart:
    """The same heart on another day: rate and blood pressure have changed a little, and the QT with the rate."""
    rate = float(np.clip(heart.heart_rate_bpm * math.exp(rng.normal(0, 0.07)), 42, 110))
    return heart.replace(
        heart_rate_bpm=rate,
        systolic_bp_mmhg=normal(rng, heart.systolic_bp_mmhg, 7, 85, 220),
        apd_ms=heart.apd_ms * (heart.heart_rate_bpm / rate) ** APD_RATE_POWER,
    )


def _draw_person(rng: np.random.Generator, population: Population) -> dict:
    sex = str(rng.choice(["female", "male"]))
    norms = NORMS[sex]
    height = normal(rng, norms.height_cm[0] + population.height_shift_cm, norms.height_cm[1], 135, 205)
    bmi = float(np.clip(log_normal(rng, norms.bmi[0] + population.bmi_shift, norms.bmi[1] / norms.bmi[0]), 17, 45))
    weight = bmi * (height / 100) ** 2
    age = float(np.round(rng.uniform(*population.age_years), 1))
    return {
        "sex": sex,
        "age_years": age,
        "height_cm": height,
        "weight_kg": weight,
        "bmi": bmi,
        "bsa_m2": math.sqrt(height * weight / 3600),  # Mosteller 1987
        "heart_rate_bpm": normal(rng, 63, 10, 42, 105),
        # UK Biobank at imaging: about 138 (SD 18) mmHg, 0.5 mmHg more a year of age.
        "systolic_bp_mmhg": normal(rng, 132 + 0.5 * (age - 60) + 0.6 * (bmi - 26.5), 15, 90, 210),
    }


def _draw_disease(rng: np.random.Generator, population: Population, condition: str | None) -> dict:
    share = population.prevalence
    drawn = str(rng.choice(list(share), p=list(share.values())))
    condition = condition or drawn
    # Most disease is mild: half of it lies below a severity of 0.42.
    severity = float(rng.beta(1.5, 2.0))
    territory = str(rng.choice(SCAR_TERRITORIES, p=[0.45, 0.35, 0.20]))
    extent = float(0.3 + 0.7 * severity)
    infarct = condition == "infarct"
    return {
        "condition": condition,
        "severity": severity if condition != "normal" else 0.0,
        "scar_territory": territory if infarct else None,
        "scar_extent": extent if infarct else 0.0,
    }


def _draw_ventricles(rng: np.random.Generator, person: dict, disease: dict) -> tuple[dict, float]:
    """Volumes and mass: healthy values first, then what the disease does to them. And the contractility, in SDs.

    A correlation of 0.6 beyond body size gives log LVEDV and log mass r of about 0.7 within a sex. Both ventricles
    eject nearly the same stroke volume, which ties RVEDV to LVEDV (r of about 0.8).
    """
    norms, bsa = NORMS[person["sex"]], person["bsa_m2"]
    z_edv, z_mass, z_ef, z_rvef, contractility = rng.normal(size=5).tolist()
    z_mass = 0.6 * z_edv + 0.8 * z_mass
    z_ef = 0.85 * contractility + math.sqrt(1 - 0.85**2) * z_ef
    z_rvef = 0.42 * z_ef + math.sqrt(1 - 0.42**2) * z_rvef
    ageing = math.exp(-0.003 * (person["age_years"] - 62))
    slow_heart = math.exp(-0.0018 * (person["heart_rate_bpm"] - 63))
    pressure = math.exp(MASS_PER_MMHG * (person["systolic_bp_mmhg"] - NORMAL_PRESSURE_MMHG))
    lean = (person["bmi"] / norms.bmi[0]) ** FAT_POWER
    edv = norms.lvedv_index * bsa * lean * math.exp(norms.lvedv_log_sd * z_edv) * ageing * slow_heart
    mass = norms.lv_mass_index * bsa * math.exp(norms.lv_mass_log_sd * z_mass) * pressure
    ef = float(np.clip(norms.lvef_percent[0] + norms.lvef_percent[1] * z_ef, 50, 75))
    rvef = float(np.clip(norms.rvef_percent[0] + norms.rvef_percent[1] * z_rvef, 42, 72))
    regurgitation = float(np.exp(rng.normal(0, 0.03)))

    if disease["condition"] != "normal":
        load = math.exp(rng.normal(0, PATIENTS_LOG_SD))
        edv, mass = edv * load, mass * load**0.5
    healthy_stroke = edv * ef / 100 * regurgitation
    edv_factor, mass_factor, new_ef, rv_factor = _remodelling(rng, disease["condition"], disease["severity"], ef)
    edv, mass = edv * edv_factor, mass * mass_factor
    stroke = edv * new_ef / 100 * regurgitation
    # A failing left ventricle leaves the right one less to eject, not a smaller cavity: hence the healthy stroke here.
    roomy = math.exp(rng.normal(0, 0.02))  # some right ventricles are large for what they eject
    rvedv = max(healthy_stroke * rv_factor * roomy / (rvef / 100), stroke / 0.72)
    ventricles = {
        "lvedv_ml": edv,
        "lvesv_ml": edv * (1 - new_ef / 100),
        "lvef_percent": new_ef,
        "lv_mass_g": mass,
        "rvedv_ml": rvedv,
        "rvesv_ml": rvedv - stroke,
        "rvef_percent": 100 * stroke / rvedv,
    }
    return ventricles, contractility + 0.15 * (new_ef - ef)


BOUND = (0.25, 0.35, 0.45)  # to the severity: of size, mass and function; the rest is their own


def _remodelling(rng: np.random.Generator, condition: str, severity: float, ef: float) -> tuple[float, ...]:
    """What a condition makes of LVEDV, LV mass, LVEF (percent, the new value) and RVEDV."""
    # Size, mass and function suffer from one disease, each to its own degree.
    own = rng.beta(1.5, 2.0, size=3).tolist()
    a, b, c = (share * severity + (1 - share) * rest for share, rest in zip(BOUND, own, strict=True))
    match condition:
        case "lvh":  # concentric: mass without dilatation
            return 1.0 - 0.06 * a, 1.08 + 0.52 * b, min(ef + 4 * c, 76), 1.0
        case "dcm":
            return 1.02 + 0.34 * a, 1.06 + 0.38 * b, max(ef - 6 - 32 * c, 16), 1.04 + 0.34 * a
        case "hcm":
            return 0.97 - 0.10 * a, 1.08 + 0.52 * b, min(ef + 2 + 6 * c, 78), 1.0
        case "infarct":
            return 1.0 + 0.20 * a, 1.0 + 0.12 * b, max(ef - 3 - 22 * c, 22), 1.0
        case "rv_overload":
            return 1.0 - 0.10 * a, 1.0, ef - 4 * c, 1.18 + 0.42 * b
        case "lbbb":
            return 1.0 + 0.14 * a, 1.0 + 0.12 * b, ef - 2 - 10 * c, 1.0
        case _:
            return 1.0, 1.0, ef, 1.0


def _draw_shape(rng: np.random.Generator, disease: dict, ef: float) -> dict:
    condition, severity = disease["condition"], disease["severity"]
    of_kind = {"dcm": -0.35, "lvh": 0.12, "hcm": 0.12}.get(condition, 0.0)
    septum = normal(rng, 1.08, 0.06, 0.9, 1.3) + (0.25 + 0.85 * severity) * (condition == "hcm")
    overload = severity * (condition == "rv_overload")
    return {
        "sphericity": normal(rng, 1.75 + of_kind * severity, 0.11, 1.25, 2.15),
        "septal_thickness_ratio": septum,
        "outline": tuple(float(x) for x in rng.normal(0, [0.045, 0.045, 0.02, 0.02])),
        "septal_flattening": normal(rng, 0.05 + 0.22 * overload, 0.03, 0.0, 0.35),
        "wall_pattern": tuple(float(x) for x in rng.normal(0, [0.05, 0.05, 0.035, 0.035])),
        "trabecular_share": normal(rng, 0.17, 0.04, 0.07, 0.32),
        "papillary_scale": log_normal(rng, 1.0, 0.18),
        "papillary_turn_deg": tuple(float(x) for x in rng.normal(0, 9, size=2)),
        "twist_deg": normal(rng, 13 * ef / 60, 3, 1, 24),
        "rv_wall_mm": normal(rng, 3.3, 0.35, 2.5, 4.5) + (0.3 + 1.25 * severity) * (condition == "rv_overload"),
        "long_axis_shortening_mm": normal(rng, 14 * ef / 60, 1.3, 3, 19),
        "pattern_seed": int(rng.integers(10_000_000, 2**31)),  # never in the range of a participant id
    }


def _draw_position(rng: np.random.Generator, person: dict, disease: dict) -> dict:
    """Where the heart lies. A stout belly lifts the diaphragm and lays the heart down; a large RV turns the apex."""
    norms, stoutness = NORMS[person["sex"]], person["bmi"] - 26.5
    overload = disease["severity"] * (disease["condition"] == "rv_overload")
    width = normal(rng, norms.chest_width_mm + 5.0 * stoutness, 9, 250, 460)
    depth = normal(rng, norms.chest_depth_mm + 5.0 * stoutness, 9, 170, 360)
    fat = normal(rng, norms.fat_mm + 1.2 * stoutness, 2, 4, 45)
    # The right ventricle lies against the front wall of the chest.
    forward = normal(rng, depth / 2 - fat - 74, 5, -10, 60)
    centre = (normal(rng, -34, 6, -55, -15), forward, normal(rng, -18 + 0.8 * stoutness, 8, -45, 15))
    return {
        "azimuth_deg": normal(rng, 46 + 3 * overload, 9, 20, 75),
        "elevation_deg": normal(rng, 31 - 0.8 * stoutness, 8, 5, 58),
        "roll_deg": normal(rng, -22, 9, -45, 5),
        "centre_mm": centre,
        "chest_width_mm": width,
        "chest_depth_mm": depth,
        "fat_mm": fat,
    }


# ---- Electrophysiology ----
# Speeds and durations: Durrer 1970 (activation of the human heart), Taggart 2000 (across the wall), Drouin 1995 (APD).

APD_RATE_POWER = 0.25  # the APD grows with the RR interval to this power


def _draw_electrophysiology(
    rng: np.random.Generator, person: dict, disease: dict, contractility: float, ventricles: dict
) -> dict:
    condition, severity = disease["condition"], disease["severity"]
    af_chance = rng.uniform()
    af = af_chance < 0.02 + 0.001 * max(person["age_years"] - 45, 0) + 0.06 * (condition == "dcm")
    ectopic = int(rng.poisson(0.08 if condition == "normal" else 0.3))
    # Fibrosis between the fibres slows the front: in a dilated ventricle most, round a scar a little.
    slowed = 1 - severity * {"dcm": 0.28, "infarct": 0.16, "hcm": 0.05}.get(condition, 0.0)
    return {
        "endocardial_speed_mm_ms": normal(rng, 1.54, 0.26, 0.95, 2.3) * slowed,
        "transmural_speed_mm_ms": normal(rng, 0.352, 0.055, 0.23, 0.52) * slowed,
        "basal_slowing": normal(rng, 0.82, 0.10, 0.2, 1.0),
        "fibre_anisotropy": normal(rng, 0.03, 0.06, -0.12, 0.25),
        **_draw_recovery(rng, person, condition, severity, contractility),
        **_draw_conduction(rng, condition, severity, _stretch(person, ventricles)),
        **_draw_torso(rng),
        "voltage_per_mass": _voltage_per_mass(rng, person, ventricles["lv_mass_g"]),
        "pr_ms": normal(rng, 165, 20, 120, 240),
        "p_duration_ms": normal(rng, 106, 11, 80, 140),
        "p_axis_deg": normal(rng, 52, 19, -10, 90),
        "p_amplitude_mv": log_normal(rng, 0.11, 0.3),
        "rhythm": "af" if af else "sinus",
        "rr_variability": log_normal(rng, 0.18 if af else 0.03, 0.25 if af else 0.4),
        "ectopic_beats": min(ectopic, 3),
    }


def _draw_recovery(
    rng: np.random.Generator, person: dict, condition: str, severity: float, contractility: float
) -> dict:
    """How long the action potentials last, and where they are shorter. A strong heart recovers more orderly."""
    strain = severity * float(rng.uniform(0, 1)) * (condition in ("lvh", "hcm"))
    return {
        "apd_ms": normal(rng, 298, 12, 258, 338) * (63 / person["heart_rate_bpm"]) ** APD_RATE_POWER,
        "apd_transmural_ms": normal(rng, 33 + 6.0 * np.clip(contractility, -4, 3) - 32 * strain, 7, -25, 75),
        "apd_apicobasal_ms": normal(rng, 32, 9, -10, 70),
        "apd_sideways_ms": normal(rng, 7.5, 4, -8, 25),
        "apd_per_activation": normal(rng, 0.36, 0.18, -0.2, 1.0),
        "plateau_slope": normal(rng, 0.46, 0.10, 0.1, 0.8),
        "notch": log_normal(rng, 0.015, 0.9),
        "plateau_gradient": tuple(float(x) for x in rng.normal(0, 0.010 * (1 + 1.5 * severity), size=3)),
    }


def _stretch(person: dict, ventricles: dict) -> float:
    """Log of RVEDV against the mean of healthy people of this sex and body surface area."""
    norms = NORMS[person["sex"]]
    usual = norms.lvedv_index * person["bsa_m2"] * norms.lvef_percent[0] / norms.rvef_percent[0]
    return math.log(ventricles["rvedv_ml"] / usual)


def _draw_conduction(rng: np.random.Generator, condition: str, severity: float, stretch: float) -> dict:
    """Where the excitation starts and which bundles are late: blocked by disease, or incompletely in some healthy."""
    full, chance, left_share, right_share = rng.uniform(size=4).tolist()
    left, right = 5 + 25 * left_share, 8 + 28 * right_share
    # The right bundle is late in 3-5 % of people (Bussink 2013), and in most whose right ventricle is stretched beyond
    # the healthy (Kim et al. 2011, athletes).
    late_right = 0.04 + 0.74 / (1 + math.exp(-(stretch - 0.28) / 0.04))
    lv_delay = left if chance < 0.07 else 0.0
    rv_delay = right if 0.07 <= chance < 0.07 + late_right else 0.0
    delay = 44 + 14 * full
    if condition == "lbbb" or (condition == "dcm" and chance < 0.12 + 0.4 * severity):
        lv_delay, rv_delay = delay, 0.0
    elif condition == "rbbb":
        lv_delay, rv_delay = 0.0, delay
    shift = rng.normal(0, [*3 * [[9, 0.05, 2.2]], [18, 0.10, 5.0]])
    return {
        "early_site_shift": tuple(tuple(float(x) for x in row) for row in shift),
        "lv_delay_ms": lv_delay,
        "rv_delay_ms": rv_delay,
        "scar_depth": normal(rng, 0.75 + 0.3 * severity, 0.15, 0.35, 1.0),
    }


VOLTAGE_DEFICIT = 0.5  # power by which voltage falls behind a heavier wall


def _voltage_per_mass(rng: np.random.Generator, person: dict, lv_mass_g: float) -> float:
    """A heavy wall has less voltage for its mass than a light one (Bacharova, Anadolu Kardiyol Derg 7:S37, 2007).

    Its cells are coupled less well, and fibrosis lies between them.
    """
    heavier = lv_mass_g / (NORMS[person["sex"]].lv_mass_index * person["bsa_m2"])
    return log_normal(rng, heavier**-VOLTAGE_DEFICIT, 0.12)


def _draw_torso(rng: np.random.Generator) -> dict:
    """What lies between the heart and the electrodes, and where those are put; no image shows it."""
    together, apart = rng.normal(0, [8, 9], size=2), rng.normal(0, [10, 11], size=(6, 2))
    scatter = rng.normal(0, 0.13, size=(8, 3))
    return {
        "gain": log_normal(rng, 1.0, 0.38),
        "chest_gain": log_normal(rng, 1.0, 0.18),
        "torso_scatter": tuple(tuple(float(x) for x in row) for row in scatter),
        "electrode_bias_mm": tuple((float(x), float(z)) for x, z in (together + apart).clip(-45, 45)),
    }


def _draw_motion(rng: np.random.Generator, person: dict, ventricles: dict, rhythm: str) -> dict:
    """What the electricity leaves open of the beat: coupling, relaxation, filling."""
    older, norms = person["age_years"] - 60, NORMS[person["sex"]]
    heavier = math.log(ventricles["lv_mass_g"] / (norms.lv_mass_index * person["bsa_m2"]))
    # E/A falls from about 1.3 at 50 to 0.8 at 75 years; a heavy wall relaxes late (Carrick-Ranson 2012).
    atrial = normal(rng, 0.27 + 0.006 * older + 0.10 * heavier, 0.05, 0.08, 0.55)
    return {
        "coupling_ms": normal(rng, 22, 3, 14, 32),
        "systole_shift_ms": normal(rng, 0, 16, -40, 40),
        "relaxation_ms": normal(rng, 75 + 0.6 * older + 25 * heavier, 9, 45, 140),
        "early_filling_ms": normal(rng, 250 + 1.2 * older + 30 * heavier, 25, 170, 380),
        "atrial_share": 0.0 if rhythm == "af" else atrial,
        "discoordination": normal(rng, 0.50, 0.08, 0.25, 0.75),
        "scar_bulge": normal(rng, 0.12, 0.08, 0.0, 0.35),
    }
