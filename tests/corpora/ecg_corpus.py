"""Row A2: what an ECG file means. Every case is read right, to 1 uV, or refused by name."""

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cohort.ecg import ECG, LEADS, read_ecg
from cohort.quality import quality_flags
from tests.corpora.case import Case, bytes_case
from tests.corpora.device_files import (
    INDEPENDENT,
    STEP_UV,
    cardiosoft,
    counts_of,
    full_disclosure,
    muse,
    right_ecg,
    true_ecg,
    true_leads,
    write_wfdb,
)

NO_RATE = (".npy", ".csv")
LIMB = ("III", "aVR", "aVL", "aVF")  # these follow from I and II


def read_case(path: Path) -> ECG:
    return read_ecg(path, sampling_rate=500 if path.suffix in NO_RATE else None)


def ecg_cases() -> list[Case]:
    return [*_leads(), *_samples(), *_rates(), *_scales(), *_strips(), *_muse(), *_wfdb(), *_arrays()]


def _text(name: str, text: str, refused: str = "", right: Callable | None = None) -> Case:
    return bytes_case(name, text.encode("latin-1"), refused, right or right_ecg())


def _flagged(*flags: str, right: Callable[[ECG], str]) -> Callable[[ECG], str]:
    """As `right`, and with exactly these quality flags."""

    def flagged(found: ECG) -> str:
        said = quality_flags(found)
        return right(found) or ("" if said == list(flags) else f"flags: {said}")

    return flagged


def noted(*codes: str) -> Callable[[ECG], str]:
    """A check that the reader told of these things, and of nothing else."""

    def told(found: ECG) -> str:
        said = [note.code for note in found.notes]
        return "" if said == list(codes) else f"notes: {said}"

    return told


def _leads() -> list[Case]:
    leads = true_leads()

    def without(*absent: str) -> dict[str, str]:
        return {lead: text for lead, text in leads.items() if lead not in absent}

    derived = [_text(f"without {lead}", cardiosoft(without(lead))) for lead in LIMB]
    missed = [
        _text(f"without {lead}", cardiosoft(without(lead)), f"missing {lead};") for lead in LEADS if lead not in LIMB
    ]
    shuffled = [LEADS[i] for i in np.random.default_rng(0).permutation(12)]
    cased = {lead.upper(): text for lead, text in leads.items()}
    names = dict(
        zip(LEADS, ("i", "Ii", " III ", "avr", "AVL", "aVf", "v1", "V2", "v3", "V4 ", "v5", "V6"), strict=True)
    )
    return [
        *derived,
        *missed,
        _text("eight leads", cardiosoft(without(*LIMB))),
        _text("eight leads less one", cardiosoft(without(*LIMB, "V3")), "missing V3;"),
        _text("limb leads alone", cardiosoft(without("V1", "V2", "V3", "V4", "V5", "V6")), "missing V1, .*, V6;"),
        _text("one lead", cardiosoft({"II": leads["II"]}), "it has II; missing I, III"),
        _text("a lead twice", cardiosoft([*leads.items(), ("V2", leads["V2"])]), "lead V2 is given twice"),
        _text(
            "a lead twice, in another case", cardiosoft([*leads.items(), ("v2", leads["V2"])]), "lead V2 is given twice"
        ),
        _text(
            "a lead under another's name",
            cardiosoft([("V1" if k == "V2" else k, v) for k, v in leads.items()]),
            "twice",
        ),
        _text("upper case", cardiosoft(cased)),
        _text("mixed case and blanks", cardiosoft({names[lead]: text for lead, text in leads.items()})),
        _text("another order", cardiosoft({lead: leads[lead] for lead in shuffled})),
        _text("six leads more", cardiosoft(leads | dict.fromkeys(("V7", "V8", "V3R", "X", "Y", "Z"), "1,2,3"))),
        _text("Cabrera's -aVR, which is not aVR", cardiosoft(without("aVR") | {"-aVR": leads["aVR"]})),
        _text("leads without a name", cardiosoft([("", text) for text in leads.values()]), "none of the twelve leads"),
        _text(
            "names of another language", cardiosoft([(f"Ableitung {k}", v) for k, v in leads.items()]), "none of the"
        ),
    ]


def _samples() -> list[Case]:
    leads = true_leads()
    cut = leads["V4"].rpartition(",")[0]

    def with_v1(change: Callable[[str], str]) -> str:
        return cardiosoft(leads | {"V1": change(leads["V1"])})

    flat, level, full = true_ecg(), true_ecg(), true_ecg()
    flat[6], level[6] = 0.0, 1.25
    full[6] = np.clip(full[6] * 20, -3.2768, 3.2767)  # the ends of 16 bits
    zero = dict.fromkeys(LEADS, ",".join(["0"] * 5000))
    wrong = true_ecg()
    wrong[2] = true_ecg()[6]
    spoiled = {
        "NaN": lambda text: "NaN" + text,
        "a word": lambda text: text.replace(",", ",artefact,", 1),
        "an empty sample": lambda text: text.replace(",", ",,", 1),
        "a comma at the end": lambda text: text + ",",
        "a decimal point": lambda text: "1.5," + text,
        "a decimal comma, so one sample more": lambda text: "1,5," + text,
        "an exponent": lambda text: "1e3," + text,
        "a hexadecimal sample": lambda text: "0x10," + text,
        "digits grouped by _": lambda text: "1_0," + text,
        "digits of another script": lambda text: "&#x663;," + text,
        "a sample of 17 bits": lambda text: "40000," + text,
        "semicolons": lambda text: text.replace(",", ";"),
        "blanks between": lambda text: text.replace(",", " "),
        "nothing": lambda text: "",
    }
    return [
        *(
            _text(f"samples: {name}", with_v1(change), "lead V1|leads differ in length")
            for name, change in spoiled.items()
        ),
        _text("samples: plus signs and line ends", with_v1(lambda text: "\r\n\t+" * (text[0] != "-") + text)),
        _text("ragged: a lead of one sample less", cardiosoft(leads | {"V4": cut}), "differ in length .4999 to 5000"),
        _text("ragged: a lead of one sample", cardiosoft(leads | {"V4": "7"}), "differ in length .1 to 5000"),
        _text(
            "a flat lead",
            cardiosoft(_as_text(flat)),
            right=_flagged("lead V1 is flat", right=right_ecg(flat, flat=("V1",))),
        ),
        _text(
            "a lead that is level but not zero",
            cardiosoft(_as_text(level)),
            right=_flagged("lead V1 is flat", right=right_ecg(level, flat=("V1",))),
        ),
        _text("twelve flat leads", cardiosoft(zero), "every lead is flat"),
        _text(
            "a saturated lead",
            cardiosoft(_as_text(full)),
            right=_flagged("lead V1 is clipped", "lead V1 is noisy", right=right_ecg(full)),  # its edges are steep
        ),
        _text(
            "a III that is not II - I",
            cardiosoft(_as_text(wrong)),
            right=_flagged("lead III is not II - I", right=right_ecg(wrong)),
        ),
        _text("nothing wrong, no flag", cardiosoft(), right=_flagged(right=right_ecg())),
    ]


def _as_text(millivolts: np.ndarray) -> dict[str, str]:
    return {lead: ",".join(map(str, row)) for lead, row in zip(LEADS, counts_of(millivolts).tolist(), strict=True)}


def _rates() -> list[Case]:
    def at(rate: float, seconds: float = 10.0, said: str | None = None) -> str:
        element = f'<SampleRate units="Hz">{said or format(rate, "g")}</SampleRate>'
        return cardiosoft(true_leads(rate, seconds), rate=element)

    good = {"100": 100.0, "250": 250.0, "257.3": 257.3, "360": 360.0, "977": 977.0, "1000": 1000.0, "2000": 2000.0}
    bad = {"0": "0", "negative": "-500", "text": "fast", "NaN": "nan", "infinite": "inf", "empty": "", "1_000": "1_000"}
    other_unit = '<SampleRate units="kHz">0.5</SampleRate>'
    return [
        *(_text(f"rate {name}", at(rate), right=right_ecg(rate=rate)) for name, rate in good.items()),
        *(
            _text(f"rate {name}", at(500, said=said or " "), "SampleRate is absent or not")
            for name, said in bad.items()
        ),
        _text("rate absent", cardiosoft(rate=""), "SampleRate is absent"),
        _text("rate 50", at(50), "at least 100 Hz"),
        _text("rate in kHz", cardiosoft(rate=other_unit), "SampleRate is not in Hz"),
        _text("rate without a unit", cardiosoft(rate="<SampleRate>500</SampleRate>")),
        _text("2 s", at(500, 2), "lasts 2.00 s and at least 5 s"),
        _text("4.998 s", at(500, 4.998), "lasts 5.00 s and at least 5 s|lasts 4.99"),
        _text("5 s", at(500, 5), right=right_ecg(seconds=5)),
        _text("8 s", at(500, 8), right=right_ecg(seconds=8)),
        _text("60 s", at(500, 60), right=right_ecg(seconds=60)),
        _text("2 min at 1000 Hz", at(1000, 120), right=right_ecg(rate=1000, seconds=120)),
    ]


def _scales() -> list[Case]:
    def scaled(step_uv: float) -> str:
        return cardiosoft(
            true_leads(step_uv=step_uv), resolution=f'<Resolution units="uVperLsb">{step_uv:g}</Resolution>'
        )

    rounded = counts_of(true_ecg(), 5.0) * 0.005
    bad = {"0": "0", "negative": "-5", "text": "five", "NaN": "NaN", "with its unit": "5 uV", "empty": " "}
    in_millivolts = '<Resolution units="mVperLsb">0.0001</Resolution>'
    return [
        *(_text(f"{step:g} uV a count", scaled(step)) for step in (0.1, 0.25, 1.0)),
        _text("5 uV a count", scaled(5.0), right=right_ecg(rounded)),
        *(
            _text(
                f"resolution {name}", cardiosoft(resolution=f"<Resolution>{said}</Resolution>"), "Resolution is absent"
            )
            for name, said in bad.items()
        ),
        _text("resolution absent", cardiosoft(resolution=""), "Resolution is absent"),
        _text("resolution in mV", cardiosoft(resolution=in_millivolts), "Resolution is not in uVperLsb"),
        _text("resolution without a unit", cardiosoft(resolution=f"<Resolution>{STEP_UV}</Resolution>")),
        _text(
            "a resolution elsewhere does not stand in",
            cardiosoft(resolution="").replace("</PatientInfo>", "</PatientInfo><Resolution>5</Resolution>"),
            "Resolution is absent",
        ),
    ]


def _strips() -> list[Case]:
    whole = cardiosoft()
    body = whole[whole.index("<StripData>") + 11 : whole.index("</StripData>")]
    eight = full_disclosure(order=INDEPENDENT)
    shuffled = full_disclosure(order=LEADS[::-1])
    disclosure = full_disclosure()
    first_line = disclosure.split("\r\n")[1]
    return [
        _text("an exercise ECG", cardiosoft(kind="ExerciseECG"), "not a resting ECG"),
        _text("no kind of ECG", whole.replace("ObservationType", "Kind"), "not a resting ECG"),
        _text("medians and no strip", cardiosoft(strip="<RestingECGMeasurements><MedianSamples>" + body
              + "</MedianSamples></RestingECGMeasurements>"), "no waveform"),
        _text("a strip without leads", cardiosoft([]), "no waveform"),
        _text("StripData/Strip", cardiosoft(strip=f"<StripData><Strip>{body}</Strip></StripData>")),
        _text("Strip/StripData", cardiosoft(strip=f"<Strip><StripData>{body}</StripData></Strip>")),
        _text("the strip, not the medians before it", whole.replace(
            "<StripData>", "<MedianSamples>" + body.replace(",", ",-") + "</MedianSamples><StripData>")),
        _text("full disclosure alone", cardiosoft(strip=disclosure)),
        _text("full disclosure of 30 s", cardiosoft(strip=full_disclosure(30)),
              right=_both(right_ecg(), noted("ecg_long"))),
        _text("full disclosure in another order", cardiosoft(strip=shuffled)),
        _text("full disclosure of eight leads", cardiosoft(strip=eight)),
        _text("full disclosure at 250 Hz", cardiosoft(strip=full_disclosure(rate=250)), right=right_ecg(rate=250)),
        _text("full disclosure of 3 s", cardiosoft(strip=full_disclosure(3)), "lasts 3.00 s"),
        _text("full disclosure less a sample", cardiosoft(strip=disclosure.replace(
            first_line, first_line.partition(",")[2])), "lead I: a line of FullDisclosure is not one second"),
        _text("full disclosure less a line", cardiosoft(strip=disclosure.replace(first_line + "\r\n", "", 1)),
              "FullDisclosure of 12 leads has 119 lines"),
        _text("full disclosure without an order", cardiosoft(strip=disclosure.replace("LeadOrder", "Order")),
              "none of the"),
        _text("full disclosure without data", cardiosoft(strip="<FullDisclosure/>"), "no waveform"),
    ]  # fmt: skip


def _with_checksum(data: re.Match) -> str:
    checksum = binascii.crc32(base64.b64decode(data[2]))
    return f"<LeadDataCRC32>{checksum}</LeadDataCRC32>{data[0]}"


def _of_167_cm_and_68_kg(found: ECG) -> str:
    person = found.person
    right = abs(person.height_cm - 167.64) < 0.01 and abs(person.weight_kg - 68.039) < 0.01
    return "" if right else f"{person}"


def _muse() -> list[Case]:
    half = muse(kind="Rhythm")
    stored = counts_of(true_ecg(), 4.88)
    quantised = stored * 0.00488
    for row, (first, second, sign) in {2: (1, 0, -1)}.items():
        quantised[row] = quantised[first] + sign * quantised[second]
    quantised[3] = -(quantised[0] + quantised[1]) / 2
    quantised[4], quantised[5] = quantised[0] - quantised[1] / 2, quantised[1] - quantised[0] / 2
    twice = half[half.index("<LeadData>") : half.index("</LeadData>") + 11]
    one = muse(leads=("V1",))
    waveform = one[one.rindex("<Waveform>") : one.rindex("</Waveform>") + 11]
    summed = re.sub(r"(<WaveFormData>)([^<]*)", _with_checksum, half)
    one_sum, other_sum = re.findall(r"<LeadDataCRC32>(\d+)<", summed)[-6:-4]  # of V1 and V2
    exchanged = summed.replace(one_sum, other_sum)
    imperial = half.replace("</PatientDem", "<HeightIN>66</HeightIN><WeightLBS>150</WeightLBS></PatientDem")
    return [
        _text("MUSE of eight leads", half),
        _text("MUSE of twelve leads", muse(leads=LEADS)),
        _text("MUSE at 4.88 uV a bit", muse(stored, step="4.88"), right=right_ecg(quantised)),
        _text("MUSE in millivolts", muse(step=str(STEP_UV / 1000), unit="MILLIVOLTS")),
        _text("MUSE of 5 x 10^2 Hz", muse(base="5", exponent="2")),
        _text("MUSE at 250 Hz", muse(counts_of(true_ecg(250)), base="250"), right=right_ecg(rate=250)),
        _text("MUSE without V3", muse(leads=tuple(lead for lead in INDEPENDENT if lead != "V3")), "missing V3;"),
        _text("MUSE with a lead twice", muse(leads=(*INDEPENDENT, "V1")), "lead V1 is given twice"),
        _text("MUSE of medians alone", muse(kind="Median"), "no Waveform of type Rhythm"),
        _text("MUSE in furlongs", muse(unit="FURLONGS"), "lead I is in a unit other than uV, mV and V"),
        _text("MUSE without a unit", muse(unit=""), right=_both(right_ecg(), noted("ecg_unit"))),
        _text("MUSE in uV", muse(unit="uV"), right=_both(right_ecg(), noted())),
        _text("MUSE in a namespace", half.replace("<RestingECG>", '<RestingECG xmlns="urn:ge:sapphire:dcar_1">')),
        _text("MUSE without a type", muse(kind="").replace("<WaveformType></WaveformType>", "")),
        _text("MUSE with a rhythm of one lead first", muse(before=waveform.replace(">V1<", ">II<"))),
        _text("MUSE with a rhythm of other leads first", muse(before=waveform.replace(">V1<", ">X<") * 3)),
        _text("MUSE with its checksums", summed),
        _text("MUSE with leads exchanged", exchanged, "samples of lead V1 do not have the file's checksum"),
        _text("MUSE at 1e300 uV a bit", muse(step="1e300"), "lead I reaches"),
        _text("MUSE in inches and pounds", imperial, right=_both(right_ecg(), _of_167_cm_and_68_kg)),
        _text(
            "MUSE of 0 cm, in inches",
            imperial.replace("<HeightIN", "<HeightCM>0</HeightCM><HeightIN"),
            right=_of_167_cm_and_68_kg,
        ),
        _text("MUSE without a scale", muse(step=""), "LeadAmplitudeUnitsPerBit is absent"),
        _text("MUSE without a rate", muse(base=""), "SampleBase is absent"),
        _text("MUSE of 10^400 Hz", muse(exponent="400"), "SampleExponent is not a small"),
        _text("MUSE, not base64", muse(data="!!!!"), "samples of lead I cannot be decoded"),
        _text("MUSE, half a sample", muse(data="AAAA"), "samples of lead I cannot be decoded"),
        _text("MUSE, no samples", muse(data=" "), "lasts 0.00 s|cannot be decoded|missing"),
        _text("MUSE with LeadData outside", half.replace("<Waveform>", twice + "<Waveform>", 1)),
    ]


def _unsigned_sums(text: str) -> str:
    return re.sub(r" 0 0 (-?\d+) 0 ", lambda sums: f" 0 0 {int(sums[1]) % 2**16} 0 ", text)


def _exchanged(text: str) -> str:
    lines = text.split("\n")
    lines[7], lines[8] = lines[8], lines[7]  # the signals stay
    return "\n".join(lines)


def _no_gain(text: str) -> str:
    return re.sub(r" 10000\(0\)/mV 16 0 0 -?\d+ 0 ", " ", text)


def _zero_gain(text: str) -> str:
    return text.replace(" 10000(0)/mV ", " 0 ")


def _bomb(text: str) -> str:
    return text.replace(" 5000\n", " 999999999\n").replace(" 16 10000", " 516 10000")


def _in_frames_of_two(header: Path) -> None:
    """Two samples of I, two of II, and so on, 250 times a second."""
    header.write_text(header.read_text().replace(" 500 5000", " 250 2500").replace(" 16 10000", " 16x2 10000"))
    samples = np.fromfile(header.with_suffix(".dat"), "<i2").reshape(2500, 2, 12)
    samples.swapaxes(1, 2).tofile(header.with_suffix(".dat"))


def _late_by_three(header: Path) -> None:
    text = header.read_text()
    line = next(line for line in text.splitlines() if line.endswith(" V2"))
    header.write_text(text.replace(line, line.replace(" 16 10000", " 16:3 10000")))
    samples = np.fromfile(header.with_suffix(".dat"), "<i2").reshape(5000, 12)
    samples[:, 7] = np.roll(samples[:, 7], 3)
    samples.tofile(header.with_suffix(".dat"))


def _late_is_right(found: ECG) -> str:
    worst = np.abs(found.signal - true_ecg()[:, : found.signal.shape[1]]).max()
    return "" if found.signal.shape[1] == 4997 and worst < 1e-3 else f"{found.signal.shape}, {worst} mV wrong"


def _flipped(header: Path) -> None:
    samples = np.fromfile(header.with_suffix(".dat"), "<i2").reshape(5000, 12)
    samples[1000, 7] ^= 1 << 14
    samples.tofile(header.with_suffix(".dat"))


def _both(*checks: Callable[[ECG], str]) -> Callable[[ECG], str]:
    return lambda found: "; ".join(filter(None, (check(found) for check in checks)))


def _wfdb() -> list[Case]:
    def record(name: str, refused: str = "", right: Callable | None = None, **options) -> Case:
        return Case(f"WFDB {name}", lambda folder: write_wfdb(folder, **options), refused, right or right_ecg())

    def beside(
        name: str,
        change: Callable[[Path], object],
        refused: str = "",
        end: str = ".hea",
        right: Callable | None = None,
    ) -> Case:
        def write(folder: Path) -> Path:
            header = write_wfdb(folder)
            change(header)
            return header.with_suffix(end)

        return Case(f"WFDB {name}", write, refused, right or right_ecg())

    coarse = counts_of(true_ecg(), 5.0)
    rounded = coarse * 0.005
    missing = counts_of(true_ecg())
    missing[7, 100] = -(2**15)  # the format's mark of a sample that was not recorded
    never = counts_of(true_ecg())
    never[7] = -(2**15)
    return [
        record("of twelve leads"),
        record("in lower case and reverse", leads=tuple(lead.lower() for lead in LEADS[::-1])),
        record("of fifteen leads", leads=(*LEADS, "vx", "vy", "vz")),
        record("of eight leads", leads=INDEPENDENT),
        record("in mv", unit="mv"),
        record("in uV", unit="uV", units_per_mv=1000),
        record("in V", unit="V", units_per_mv=0.001),
        record("in mmHg", "lead I is in a unit other than", unit="mmHg"),
        record("with a baseline", baseline=1200),
        record("at 100 Hz", rate=100, right=right_ecg(rate=100)),
        record("at 1000 Hz", rate=1000, right=right_ecg(rate=1000)),
        record("at 0 Hz", "at least 100 Hz", header=lambda t: t.replace(" 500 ", " 0 ")),
        record("at 60 Hz", "at least 100 Hz", header=lambda t: t.replace(" 500 ", " 60 ")),
        record("of 2 s", "lasts 2.00 s", seconds=2),
        record("of 60 s", seconds=60, right=right_ecg(seconds=60)),
        record("without II", "missing II, III, aVR, aVL, aVF;", leads=("I", *INDEPENDENT[2:])),
        record("with a lead twice", "lead V1 is given twice", leads=(*LEADS, "v1")),
        record("of a monitor", "it has II and 2 other channels", leads=("II", "PLETH", "RESP")),
        record("with a sample missing", "lead V2 has samples that are not numbers", counts=missing),
        record("with a lead never recorded", "missing V2;", counts=never),
        record("of a path", "not a readable WFDB header", header=lambda t: t.replace("case.dat", "../case.dat")),
        record("of an absolute path", "not a readable", header=lambda t: t.replace("case.dat", "/etc/hostname")),
        record(
            "of fewer signals than it says",
            "not a readable|missing entries",
            header=lambda t: t.replace(" 12 ", " 13 ", 1),
        ),
        record("of Windows line ends", header=lambda t: t.replace("\n", "\r\n")),
        record("of an old Mac's line ends", header=lambda t: t.replace("\n", "\r")),
        record("with a byte order mark", header=lambda t: "\ufeff" + t),
        record("with empty lines and a comment first", header=lambda t: "# made today\n\n" + t.replace("\n", "\n\n")),
        record("whose name has a suffix", header=lambda t: t.replace("case 12", "case.mat 12")),
        record("whose name is another", header=lambda t: t.replace("case 12", "other_1 12")),
        record("with a date", header=lambda t: t.replace(" 5000\n", " 5000 05-May-2020 09:49:17\n")),
        record("with a time of day", header=lambda t: t.replace(" 5000\n", " 5000 09:49:17.5 05/05/2020\n")),
        record("with a counter", header=lambda t: t.replace(" 500 ", " 500/500(0) ")),
        record("of leads by long names", header=lambda t: re.sub(r" 0 (\w+)\n", r" 0 Lead \1\n", t)),
        record("without a length", header=lambda t: t.replace(" 5000\n", "\n")),
        record("without checksums", sums=False),
        record("with checksums as unsigned numbers", header=_unsigned_sums),
        record("whose header exchanges V1 and V2", "samples of V1, V2 do not add up", header=_exchanged),
        record("of two segments", "of 2 segments", header=lambda t: "case/2 12 500 5000\ncase_1 2500\ncase_2 2500\n"),
        record(
            "with a negative gain", "gain of signal 1 is no positive", header=lambda t: t.replace(" 10000", " -10000")
        ),
        record("of 1e300 units per mV", "every lead is flat", header=lambda t: t.replace("10000(", "1e300(")),
        record("of 1e-300 units per mV", "lead I reaches", header=lambda t: t.replace("10000(", "1e-300(")),
        record(
            "of a gain of 900,000 digits", "not a readable|none of", header=lambda t: t.replace("10000", "1" * 75_000)
        ),
        record("at -500 Hz", "its first line", header=lambda t: t.replace(" 500 ", " -500 ")),
        record("at fast Hz", "its first line", header=lambda t: t.replace(" 500 ", " fast ")),
        record("of an unknown format", "the line of signal 1", header=lambda t: t.replace(" 16 ", " 17 ", 1)),
        record("without a rate", "at least 5 s|lasts", header=lambda t: t.replace(" 500 5000", ""), seconds=2),
        record("without a rate, noted", header=lambda t: t.replace(" 500 5000", ""), right=noted("ecg_rate")),
        record("without a gain", header=_no_gain, counts=coarse, right=_both(right_ecg(rounded), noted("ecg_gain"))),
        record("of a gain of 0", header=_zero_gain, counts=coarse, right=_both(right_ecg(rounded), noted("ecg_gain"))),
        beside("of two samples a frame", _in_frames_of_two),
        beside("with a signal stored 3 samples late", _late_by_three, right=_late_is_right),
        beside("with a bit flipped", _flipped, "samples of V2 do not add up"),
        record(
            "of a billion samples", "samples a lead, more than", header=lambda t: t.replace(" 5000\n", " 999999999\n")
        ),
        record("compressed, of a billion", "samples a lead, more than", header=_bomb),
        record(
            "compressed, without a length", "number of samples", header=lambda t: _bomb(t).replace(" 999999999", "")
        ),
        record(
            "of many samples a frame",
            "samples a lead, more than",
            header=lambda t: t.replace(" 16 10000", " 16x99999 10000"),
        ),
        record(
            "longer than its signals",
            "do not agree with its header",
            header=lambda t: t.replace(" 5000\n", " 9000\n", 1),
        ),
        beside("by its signals", lambda header: None, end=".dat"),
        beside("without signals", lambda header: header.with_suffix(".dat").unlink(), "no such file"),
        beside("cut", lambda header: header.with_suffix(".dat").write_bytes(bytes(999)), "do not agree"),
        beside("without a header", lambda header: header.unlink(), "there is no WFDB header", ".dat"),
        beside("of zeros for a header", lambda header: header.write_bytes(bytes(99)), "not a readable WFDB header"),
        beside("of prose", lambda header: header.write_text("Dear colleague,"), "not a readable WFDB header"),
    ]


def _arrays() -> list[Case]:
    truth = true_ecg()

    def npy(name: str, array: np.ndarray, refused: str = "", right: Callable | None = None) -> Case:
        def write(folder: Path) -> Path:
            np.save(folder / "case.npy", array, allow_pickle=True)
            return folder / "case.npy"

        return Case(f"npy {name}", write, refused, right or right_ecg())

    def csv(name: str, array: np.ndarray, header: str = "", refused: str = "", **options) -> Case:
        def write(folder: Path) -> Path:
            options.setdefault("delimiter", ",")
            np.savetxt(folder / "case.csv", array, fmt="%.6f", header=header, comments="", **options)
            return folder / "case.csv"

        return Case(f"csv {name}", write, refused, right_ecg())

    gap = truth.copy()
    gap[7, 100] = np.nan
    each_to_one = (truth - truth.min(axis=1, keepdims=True)) / np.ptp(truth, axis=1, keepdims=True)
    negated = truth * np.where(np.arange(12) == 3, -1, 1)[:, None]
    cabrera = negated[[4, 0, 3, 1, 5, 2, *range(6, 12)]]
    utf16, right = ",".join(LEADS).encode("utf-16"), right_ecg()
    rows = "\n" + "\n".join(",".join(f"{value:.6f}" for value in row) for row in truth.T)
    reverse = ",".join(LEADS[::-1])
    timed = np.column_stack([np.arange(5000) / 500, truth.T])
    return [
        npy("(12, T)", truth),
        npy("(T, 12)", truth.T),
        npy("float32", truth.astype(np.float32)),
        npy("the other byte order and axis order", np.asfortranarray(truth.astype(">f8"))),
        npy("in microvolts", truth * 1000, "not millivolts: .* microvolts or counts"),
        npy("in counts of 5 uV", counts_of(truth, 5.0).astype(np.int16), "not millivolts: .* counts"),
        npy("in counts of 0.1 uV", counts_of(truth).astype(np.int16), "not millivolts: .* counts"),
        npy("in units of 0.1 mV", truth * 10, "not millivolts: .* units of 0.1 mV"),
        npy("made smaller", truth * 0.05, "not millivolts: .* smaller"),
        npy("in volts", truth / 1000, "not millivolts: .* volts"),
        npy("scaled to [0, 1]", (truth - truth.min()) / np.ptp(truth), "not millivolts: a constant"),
        npy("scaled lead by lead", truth / truth.std(axis=1, keepdims=True), "not millivolts: each lead"),
        npy("scaled to [0, 1] lead by lead", each_to_one, "not millivolts: each lead"),
        npy("four times too high", truth * 4, right=noted("ecg_unit")),
        npy("with aVF before aVL", truth[[0, 1, 2, 3, 5, 4, *range(6, 12)]], "aVL and aVF look exchanged"),
        npy("with II before I", truth[[1, 0, *range(2, 12)]], "I and II look exchanged"),
        npy("with aVR negated", negated, "lead aVR is not .*: aVR looks negated"),
        npy("in Cabrera's order", cabrera, "Cabrera's order aVL, I, -aVR, II, aVF, III"),
        npy("with the chest leads first", truth[[*range(6, 12), *range(6)]], "is not .*; give the leads"),
        npy("with a flat limb lead", np.where(np.arange(12)[:, None] == 1, 0, truth), right=lambda found: ""),
        npy("with 1e300 for a sample", np.where(np.isnan(gap), 1e300, gap), "lead V2 reaches 1e.300 mV"),
        npy("with 1e39, infinite in 32 bits", np.where(np.isnan(gap), -1e39, gap), "lead V2 reaches 1e.39 mV"),
        npy("of 700,000 samples", np.zeros((12, 700_000), np.int8), "700000 samples a lead, more than"),
        npy("with a gap", gap, "lead V2 has samples that are not numbers"),
        npy("with an infinite sample", np.where(np.isnan(gap), np.inf, gap), "not numbers"),
        npy("of eleven leads", truth[:11], "not a table of 12 leads"),
        npy("of three dimensions", truth[None], "not a table of 12 leads"),
        npy("of complex numbers", truth.astype(complex), "not a table of 12 leads"),
        npy("of objects", np.array([{"a": 1}] * 12), "not a readable .npy"),
        npy("of text", truth[:, :9].astype(str), "not a table of 12 leads"),
        csv("of rows", truth),
        csv("of columns", truth.T),
        csv("with named columns in another order", truth[::-1].T, reverse),
        csv("with a column of time", timed, "time," + ",".join(LEADS)),
        csv("with a column less", truth[:11].T, ",".join(LEADS[:11]), "missing V6;"),
        csv("of semicolons", truth.T, delimiter=";"),
        csv("of tabs", truth.T, "\t".join(LEADS), delimiter="\t"),
        csv("of blanks", truth.T, refused="not a table of numbers", delimiter=" "),
        csv("of leads by long names", truth.T, ",".join(f"Lead {lead}" for lead in LEADS)),
        csv("of leads by their codes", truth.T, ",".join(f"MDC_ECG_LEAD_{lead.upper()}" for lead in LEADS)),
        csv("of DI, DII, DIII", truth.T, ",".join(["DI", "DII", "DIII", *LEADS[3:]])),
        csv("with the unit in its header", 1000 * truth.T, ",".join(f"{lead} [uV]" for lead in LEADS)),
        csv("with a row of units", truth.T, ",".join(LEADS) + "\n" + ",".join(["mV"] * 12)),
        csv("with a comment", truth.T, "# 500 Hz\n" + ",".join(LEADS)),
        csv("in mmHg", truth.T, ",".join(f"{lead} (mmHg)" for lead in LEADS), "lead I is in a unit other"),
        csv("in microvolts and named", 1000 * truth.T, ",".join(LEADS), "not millivolts"),
        csv("with numbered columns", truth.T, ",".join(map(str, range(12))), "12 other channels; missing I"),
        csv("of leads of another language", truth.T, ",".join(f"Ableitung {i}" for i in LEADS), "12 other channels"),
        bytes_case("csv in UTF-16", utf16 + rows.encode("utf-16")[2:], right=right, file="case.csv"),
        bytes_case(
            "csv of decimal commas", rows.replace(",", ";").replace(".", ",").encode(), right=right, file="case.csv"
        ),
        bytes_case("csv with a word in it", rows.replace(",", ",x", 1).encode(), "row 1, column 2 of", file="case.csv"),
        csv("with a gap", gap.T, ",".join(LEADS), "not numbers"),
        bytes_case("csv of nothing", b"", "not a table of numbers", file="case.csv"),
        bytes_case("csv of a spreadsheet", b"PK\x03\x04" + bytes(99), "it is ZIP", file="case.csv"),
        bytes_case("npy of nothing", b"", "not a readable .npy", file="case.npy"),
        bytes_case("npy cut", b"\x93NUMPY\x01\x00", "not a readable .npy", file="case.npy"),
    ]  # fmt: skip
