"""Every format says the same of one heart, and nothing of a patient leaks. Bad files: test_bad_ecg.py."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import wfdb
from defusedxml import ElementTree

from cohort.ecg import ECG, LEADS, read_ecg, write_cardiosoft
from cohort.errors import InputError
from cohort.person import Person
from cohort.quality import quality_flags
from tests.corpora.device_files import INDEPENDENT, write_wfdb

CANARY = "Canarina"
CANARY_PID = "9000077"
PERSON = Person("female", 61.0, 164.0, 70.5)


def draw_ecg(seconds: float = 10.0, rate: float = 500.0, seed: int = 0) -> ECG:
    """One sharp and one broad wave a second, other amplitudes on every lead, on the 5 uV grid of the device."""
    time = np.arange(round(seconds * rate)) / rate
    phase = time % 1.0 - 0.4
    waves = np.stack([np.exp(-((phase / 0.015) ** 2)), np.exp(-(((phase - 0.3) / 0.05) ** 2))])
    amplitudes = np.random.default_rng(seed).uniform(-1.2, 1.6, size=(12, 2)) * [1.0, 0.3]
    counts = np.rint(amplitudes @ waves / 0.005)
    counts[2:6] = _limb_counts(*counts[:2])
    return ECG((counts * 0.005).astype(np.float32), rate, PERSON)


def _limb_counts(one, two):
    three = two - one
    return three, np.ceil(-(one + two) / 2), np.ceil((one - three) / 2), np.ceil((two + three) / 2)


def counts_of(ecg: ECG) -> np.ndarray:
    return np.rint(ecg.signal / 0.005).astype(int)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    """A written file with names and a PID put back in, as a hospital's file would have them."""
    path = tmp_path_factory.mktemp("good") / "good.xml"
    write_cardiosoft(path, draw_ecg())
    content = path.read_bytes()
    content = content.replace(b"<PID></PID>", f"<PID>{CANARY_PID}</PID>".encode())
    return content.replace(b"<FamilyName></FamilyName>", f"<FamilyName>{CANARY}</FamilyName>".encode())


def read_bytes(folder: Path, content: bytes, **options) -> ECG:
    path = folder / "9000001_20205_2_0.xml"
    path.write_bytes(content)
    return read_ecg(path, **options)


def swap(content: bytes, pattern: str, replacement: str, count: int = 1) -> bytes:
    changed, times = re.subn(pattern, replacement, content.decode("latin-1"), count=count, flags=re.DOTALL)
    assert times, pattern
    return changed.encode("latin-1")


def without_lead(content: bytes, lead: str) -> bytes:
    return swap(content, rf'\t\t<WaveformData lead="{lead}">.*?</WaveformData>\r\n', "")


# --- the CardioSoft writer and reader are inverse ---------------------------------------------------------------------


def test_write_then_read_gives_the_same_counts_rate_and_person(tmp_path):
    ecg = draw_ecg()
    write_cardiosoft(tmp_path / "a.xml", ecg)
    again = read_ecg(tmp_path / "a.xml")
    assert np.array_equal(counts_of(again), counts_of(ecg))
    assert (again.sampling_rate, again.person) == (500.0, PERSON)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.xml"]


def test_the_same_ecg_is_the_same_bytes_and_a_person_may_be_unknown(tmp_path):
    for name in "ab":
        write_cardiosoft(tmp_path / name, ECG(draw_ecg().signal, 500.0), medians=draw_ecg().signal[:, :600])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_ecg(tmp_path / "a").person == Person()


def test_written_limb_leads_obey_einthoven_and_goldberger_in_counts(tmp_path):
    noisy = ECG(np.random.default_rng(1).normal(size=(12, 5000)).astype(np.float32), 500.0)
    write_cardiosoft(tmp_path / "a.xml", noisy)
    counts = counts_of(read_ecg(tmp_path / "a.xml"))
    assert np.array_equal(counts[2], counts[1] - counts[0])
    assert np.array_equal(counts[2:6], _limb_counts(*counts[:2]))


def test_layout_is_that_of_the_device(tmp_path):
    medians = draw_ecg().signal[:, :600]
    write_cardiosoft(tmp_path / "a.xml", draw_ecg(), medians=medians, measurements={"QRSDuration": 88, "POnset": 178})
    content = (tmp_path / "a.xml").read_bytes()
    assert content.startswith(b'<?xml version="1.0" encoding="ISO-8859-1" ?>\r\n<CardiologyXML>\r\n\t<Obs')
    assert content.count(b"\n") == content.count(b"\r\n")
    root = ElementTree.fromstring(content)
    strip = root.findall("StripData/WaveformData")
    assert [wave.get("lead") for wave in strip] == list(LEADS)
    assert [len(line.strip().rstrip(",").split(",")) for line in strip[0].text.split("\n")] == [301, *[300] * 15, 199]
    assert root.findtext("RestingECGMeasurements/QRSDuration") == "88"
    assert root.findtext("VectorLoops/POnset") == "89"
    assert len(root.findall("RestingECGMeasurements/MedianSamples/WaveformData")) == 12


def test_what_cannot_be_written_is_a_programming_error_and_leaves_no_file(tmp_path):
    ecg = draw_ecg()
    absent = ecg.signal.copy()
    absent[7] = np.nan
    for bad, measurements in ((ECG(absent, 500.0), {}), (ECG(ecg.signal * 1000, 500.0), {}), (ecg, {"Mood": 1})):
        with pytest.raises(ValueError):
            write_cardiosoft(tmp_path / "a.xml", bad, measurements=measurements)
    assert not list(tmp_path.iterdir())


# --- what does not matter ---------------------------------------------------------------------------------------------


def test_lead_order_case_and_extra_leads_change_nothing(tmp_path, good):
    text = good.decode("latin-1")
    waves = re.findall(r'\t\t<WaveformData lead="\w+">.*?</WaveformData>\r\n', text, flags=re.DOTALL)
    shuffled = [waves[i] for i in np.random.default_rng(0).permutation(12)]
    shuffled = [wave.replace("aVR", "AVR").replace('"V2"', '" v2"') for wave in shuffled]
    extra = '\t\t<WaveformData lead="vx">1,2,3</WaveformData>\r\n'
    changed = text.replace("".join(waves), "".join([*shuffled, extra])).encode("latin-1")
    assert np.array_equal(read_bytes(tmp_path, changed).signal, read_bytes(tmp_path, good).signal)


@pytest.mark.parametrize("nesting", ["StripData/Strip", "Strip/StripData"])
def test_nesting_of_the_strip_changes_nothing(tmp_path, good, nesting):
    outer, inner = nesting.split("/")
    nested = swap(good, "<StripData>(.*)</StripData>", rf"<{outer}><{inner}>\1</{inner}></{outer}>")
    assert np.array_equal(read_bytes(tmp_path, nested).signal, read_bytes(tmp_path, good).signal)
    hoisted = swap(nested, rf'<{inner}>(.*?)(\s*<WaveformData lead="I">)', rf"\1<{inner}>\2")
    assert read_bytes(tmp_path, hoisted).sampling_rate == 500.0


def test_full_disclosure_stands_in_for_an_absent_strip(tmp_path, good):
    ecg = read_bytes(tmp_path, good)
    lines = [
        ",".join(map(str, second)) + ","
        for block in counts_of(ecg).reshape(12, 10, 500).swapaxes(0, 1)
        for second in block
    ]
    disclosure = (
        "<FullDisclosure><SampleRate>500</SampleRate><Resolution>5</Resolution>"
        f"<LeadOrder>{','.join(LEADS)}</LeadOrder><FullDisclosureData><SampleCountTotal>5000</SampleCountTotal>"
        + "\r\n".join(lines)
        + "</FullDisclosureData></FullDisclosure>"
    )
    again = read_bytes(tmp_path, swap(good, "<StripData>.*</StripData>", disclosure))
    assert np.array_equal(again.signal, ecg.signal)
    one_sample_less = disclosure.replace(lines[7], lines[7].split(",", 1)[1])
    with pytest.raises(InputError, match="lead V2: a line of FullDisclosure is not one second"):
        read_bytes(tmp_path, swap(good, "<StripData>.*</StripData>", one_sample_less))


def test_resolution_and_rate_are_read_and_not_assumed(tmp_path, good):
    twice = read_bytes(tmp_path, swap(good, r"uVperLsb\">5<", 'uVperLsb">10<'))
    assert np.allclose(twice.signal, 2 * read_bytes(tmp_path, good).signal)
    assert read_bytes(tmp_path, swap(good, r'"Hz">500<', '"Hz">250.5<')).sampling_rate == 250.5


def test_missing_or_odd_facts_of_the_person_are_none(tmp_path, good):
    odd = swap(swap(good, ">164<", ">0<"), 'YEARS">61', 'MONTHS">61')
    odd = swap(swap(odd, "<Gender>FEMALE</Gender>", ""), ">70.5<", ">unknown<")
    assert read_bytes(tmp_path, odd).person == Person()


# --- missing leads ----------------------------------------------------------------------------------------------------


def test_limb_leads_are_derived_from_one_and_two(tmp_path, good):
    eight = good
    for lead in ("III", "aVR", "aVL", "aVF"):
        eight = without_lead(eight, lead)
    derived, full = read_bytes(tmp_path, eight), read_bytes(tmp_path, good)
    assert np.abs(derived.signal - full.signal).max() <= 0.0026  # the device rounds half counts up


def test_an_absent_lead_may_be_allowed_and_is_flagged(tmp_path, good):
    ecg = read_bytes(tmp_path, without_lead(good, "V4"), allow_missing_leads=True)
    assert [LEADS[i] for i in np.flatnonzero(ecg.absent)] == ["V4"] and "lead V4 is absent" in quality_flags(ecg)


def test_where_chest_leads_alone_are_absent_the_error_names_the_option_that_helps(tmp_path, good):
    with pytest.raises(InputError, match=r"missing V4; .*\(--allow-missing-leads\)"):
        read_bytes(tmp_path, without_lead(good, "V4"))
    with pytest.raises(InputError, match="missing II; give a 12-lead ECG$"):
        read_bytes(tmp_path, without_lead(good, "II"))


# --- the same signal through every format -----------------------------------------------------------------------------


def _write_wfdb(folder: Path, ecg: ECG, names, unit="mV", scale=1.0, comments=("Age: 61", "Sex: Female")) -> Path:
    counts = counts_of(ecg)[[[lead.lower() for lead in LEADS].index(name.lower()) for name in names]]
    wfdb.wrsamp(
        "record",
        fs=ecg.sampling_rate,
        units=[unit] * len(names),
        sig_name=list(names),
        d_signal=counts.T,
        fmt=["16"] * len(names),
        adc_gain=[200.0 / scale] * len(names),
        baseline=[0] * len(names),
        comments=list(comments),
        write_dir=str(folder),
    )
    return folder / "record.hea"


@pytest.mark.parametrize(("unit", "scale"), [("mV", 1.0), ("mv", 1.0), ("uV", 1000.0)])
def test_wfdb_and_xml_agree_on_one_signal(tmp_path, good, unit, scale):
    ecg = read_bytes(tmp_path, good)
    header = _write_wfdb(tmp_path, ecg, [lead.lower() for lead in reversed(LEADS)], unit, scale)
    for path in (header, header.with_suffix(".dat")):
        again = read_ecg(path)
        assert np.allclose(again.signal, ecg.signal, atol=1e-6)
        assert (again.sampling_rate, again.person) == (500.0, Person("female", 61.0))


@pytest.mark.parametrize("form", ["16", "24", "32", "80", "212", "508", "516", "524"])
def test_every_storage_of_wfdb_gives_the_same_samples(tmp_path, form):
    counts = np.rint(draw_ecg().signal / 0.005).astype(int)
    if form in ("80", "508"):
        counts = np.clip(counts, -100, 100)
    leads = list(INDEPENDENT) if form.startswith("5") else list(LEADS)  # FLAC has room for eight
    stored = counts[[LEADS.index(lead) for lead in leads]]
    wfdb.wrsamp(
        "record",
        fs=500,
        units=["mV"] * len(leads),
        sig_name=leads,
        d_signal=stored.T,
        fmt=[form] * len(leads),
        adc_gain=[200.0] * len(leads),
        baseline=[0] * len(leads),
        write_dir=str(tmp_path),
    )
    ecg = read_ecg(tmp_path / "record.hea")
    assert np.array_equal(counts_of(ecg)[[LEADS.index(lead) for lead in leads]], stored)


def test_a_header_without_a_rate_takes_the_one_that_is_given(tmp_path):
    header = write_wfdb(tmp_path, header=lambda text: text.replace(" 500 5000", ""))
    given, assumed = read_ecg(header, sampling_rate=500), read_ecg(header)
    assert (given.sampling_rate, given.notes) == (500, ())
    assert assumed.sampling_rate == 250 and [note.code for note in assumed.notes] == ["ecg_rate"]


@pytest.mark.parametrize("transposed", [False, True])
def test_plain_arrays_agree_with_the_xml(tmp_path, transposed):
    ecg = draw_ecg()
    array = ecg.signal.T if transposed else ecg.signal
    np.save(tmp_path / "a.npy", array)
    np.savetxt(tmp_path / "a.csv", array, delimiter=",", fmt="%.6f")
    for name in ("a.npy", "a.csv"):
        assert np.allclose(read_ecg(tmp_path / name, sampling_rate=500).signal, ecg.signal, atol=1e-6)


def test_a_csv_header_names_the_leads(tmp_path):
    ecg, order = draw_ecg(), [*range(11, -1, -1)]
    header = ",".join(f'"{LEADS[i]}"' for i in order)
    np.savetxt(tmp_path / "a.csv", ecg.signal[order].T, delimiter=",", fmt="%.6f", header=header, comments="")
    assert np.allclose(read_ecg(tmp_path / "a.csv", sampling_rate=500).signal, ecg.signal, atol=1e-6)


def test_a_given_rate_may_not_contradict_the_file(tmp_path, good):
    assert read_bytes(tmp_path, good, sampling_rate=500).sampling_rate == 500
    with pytest.raises(InputError, match="it says 500 Hz, not 250 Hz"):
        read_bytes(tmp_path, good, sampling_rate=250)


def _muse(ecg: ECG, **changes: str) -> bytes:
    fields = {"units": "MICROVOLTS", "base": "5", "exponent": "2", "kind": "Rhythm", "scale": "5"} | changes
    leads = "".join(
        f"<LeadData><LeadAmplitudeUnitsPerBit>{fields['scale']}</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>{fields['units']}</LeadAmplitudeUnits><LeadID>{lead}</LeadID><WaveFormData>"
        f"{changes.get('data') or base64.encodebytes(row.astype('<i2').tobytes()).decode()}</WaveFormData></LeadData>"
        for lead, row in zip(LEADS, counts_of(ecg), strict=True)
        if lead in ("I", "II") or lead.startswith("V")
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>'
        "<PatientDemographics><PatientLastName>" + CANARY + "</PatientLastName><PatientAge>61</PatientAge>"
        "<AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender><HeightCM>164</HeightCM><WeightKG>70.5</WeightKG>"
        f"</PatientDemographics><Waveform><WaveformType>{fields['kind']}</WaveformType><SampleBase>{fields['base']}"
        f"</SampleBase><SampleExponent>{fields['exponent']}</SampleExponent>{leads}</Waveform></RestingECG>"
    ).encode()


def test_muse_and_cardiosoft_agree_on_one_signal(tmp_path, good):
    ecg = read_bytes(tmp_path, good)
    again = read_bytes(tmp_path, _muse(ecg))
    assert np.abs(again.signal - ecg.signal).max() <= 0.0026
    assert (again.sampling_rate, again.person) == (ecg.sampling_rate, ecg.person)


def test_nothing_of_the_patient_is_kept(tmp_path, good):
    ecg = read_bytes(tmp_path, good)
    kept = f"{ecg} {vars(ecg)} {ecg.person} {quality_flags(ecg)}"
    assert CANARY not in kept and CANARY_PID not in kept


# --- quality ----------------------------------------------------------------------------------------------------------


def test_a_clean_ecg_has_no_flag():
    assert quality_flags(draw_ecg()) == []


def test_each_fault_is_flagged_on_its_lead_alone():
    signal = draw_ecg().signal.copy()
    signal[6] = 0.3
    signal[7] = np.nan
    signal[8] = np.clip(5 * signal[8], -0.8, 0.8)
    signal[9] += np.random.default_rng(0).normal(0, 0.2, 5000)
    signal[10, 2000:4000] = 0.1
    flags = quality_flags(ECG(signal, 500.0))
    assert flags == [
        "lead V1 is flat",
        "lead V2 is absent",
        "lead V3 is clipped",
        "lead V4 is noisy",
        "lead V5 is flat for 4.0 s",
    ]


def test_a_limb_lead_under_another_name_is_flagged():
    rotated, replaced = draw_ecg().signal[[1, 2, 0, *range(3, 12)]], draw_ecg().signal.copy()
    replaced[2] = replaced[6]
    assert quality_flags(ECG(replaced, 500.0)) == ["lead III is not II - I"]
    (flag,) = quality_flags(ECG(rotated, 500.0))
    assert flag.startswith("lead III is not II - I, lead aVR is not -(I + II)/2, lead aVL")


def test_an_ecg_holds_no_infinite_sample():
    signal = draw_ecg().signal.copy()
    signal[4, 7] = np.inf
    with pytest.raises(ValueError, match="infinite"):
        ECG(signal, 500.0)


def test_an_ecg_has_twelve_rows():
    with pytest.raises(ValueError, match="shape"):
        ECG(np.zeros((8, 5000)), 500.0)


# --- files that nobody here wrote -------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_real_cardiosoft_file_is_written_back_count_for_count(real_files, tmp_path):
    path = real_files / "ecg_cardiosoft" / "athlete.xml"
    ecg, real = read_ecg(path), ElementTree.parse(path).getroot()
    medians_at = "RestingECGMeasurements/MedianSamples/WaveformData"
    medians = np.array([[int(token) * 0.005 for token in wave.text.split(",")] for wave in real.findall(medians_at)])
    names = ("POnset", "POffset", "QOnset", "QOffset", "TOffset")
    fiducials = {name: float(real.findtext(f"RestingECGMeasurements/{name}")) for name in names}
    write_cardiosoft(tmp_path / "a.xml", ecg, medians=medians, measurements=fiducials)
    ours = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert ecg.person == Person("male", 18.0, 186.0, 77.0)
    for where in ("StripData/WaveformData", "VectorLoops/*"):
        assert [node.text for node in ours.findall(where)] == [node.text for node in real.findall(where)]


@pytest.mark.real
def test_real_ecgs_are_read_and_only_their_faults_are_flagged(real_files):
    paths = [*real_files.glob("ecg_*/*.xml"), *(real_files / "ecg_wfdb").glob("*.hea")]
    flags = {path.stem: quality_flags(read_ecg(path)) for path in paths if path.stem != "a103l"}
    faults = {stem: found for stem, found in flags.items() if found}
    assert len(flags) >= 15
    assert faults == {"JS20004": [f"lead {lead} is flat" for lead in ("V2", "V4", "V6")]}


@pytest.mark.real
def test_a_real_monitor_record_is_refused_by_name(real_files):
    with pytest.raises(InputError, match="it has II and 2 other channels; missing I, III, .* V6;"):
        read_ecg(real_files / "ecg_wfdb" / "a103l.hea")
