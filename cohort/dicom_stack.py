"""DICOM files -> the short-axis cine as one stack, and the long-axis cines. Geometry decides, never a name or a number.

Images of one plane are a slice position, whether each has a series of its own (UK Biobank) or all share one. At least
FEWEST_SLICES positions along one normal, each with a cine, are a stack. The short axis is the stack whose normal is
nearest to how the heart's long axis lies in people.
"""

import logging
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from cohort.cine import TOWARDS_APEX, CineStack
from cohort.dicom_files import Glance, dicom_objects, glance
from cohort.dicom_frames import DicomFrame, forget, read_frames
from cohort.errors import InputError
from cohort.long_axis_views import name_views

FEWEST_SLICES = 5
FEWEST_FRAMES = 4  # of a cine; late enhancement has one or two
SAME_TURN = 0.01  # the largest difference of the direction cosines of parallel planes
SAME_PLACE_MM = 0.5  # along the normal: one slice position
USUAL_TILT = np.cos(np.radians(45))  # of the short axis from TOWARDS_APEX; long-axis planes are nearly perpendicular
BODY_AXIS = np.cos(np.radians(12))  # planes turned less than this out of an axial, coronal or sagittal one
EVEN_GAPS, TOLD_GAPS = 0.02, 0.1  # the largest difference of a gap from the mean one: silent, with a note
LEAST_FRAMES = 0.5  # of a slice, against the number of the other slices
SAME_STEP = 0.1  # between the frame intervals of two slices, relative: one sampling, so frames are absent
CYCLE_S = (0.25, 3.0)  # a heart's, which number of frames times interval must give
LOUD = ("pydicom", "openjpeg", "libjpeg", "pylibjpeg")  # loggers
GLANCED_AT = 3  # images; to know what 600 are
LAST_TOLD = 5  # kinds of series that an error names
MS = 1e-3
RAS = np.array([-1.0, -1.0, 1.0])  # from DICOM's LPS


@dataclass(frozen=True, eq=False)
class DicomStudy:
    """The cines of one person's heart MRI.

    Attributes:
        short_axis: voxels (column, row, slice from base to apex, frame); None where there is none.
        long_axis: view ("2ch", "3ch", "4ch"; "la_1", ... where nothing says which) -> one slice over time.
        notes: what reading it had to mend, in words, those of `short_axis` too.
    """

    short_axis: CineStack | None
    long_axis: dict[str, CineStack]
    notes: tuple[str, ...] = ()


def read_dicom(path: Path, long_axis: bool = True) -> DicomStudy:
    """Read the cines of a zip, of a folder of DICOM files, or of one multi-frame file, in memory.

    Args:
        path: as of `dicom_objects`.
        long_axis: False leaves the long-axis cines out.

    Returns:
        At least one cine. Nothing about the patient is kept.

    Raises:
        InputError: as `dicom_objects` and `read_frames`; no cine; cines of several studies; or a stack that has gaps
            or cannot be ordered.
    """
    path = Path(path)
    with _silent():
        frames, others = _read_all(path)
        _require_one_study(path, frames)
        stacks, planes = _stacks_and_planes(frames)
        chosen, notes = _short_axis(path, stacks)
        if chosen is None and not planes:
            raise _nothing(path, frames, stacks, others)
        short = None if chosen is None else _cine(path, chosen)
        normal = None if chosen is None else _normal(chosen[0].frames[0]) * RAS
        named, of_names = _named_planes(planes, normal) if long_axis else ({}, ())
        views = {view: _cine(path, [plane]) for view, plane in named.items()}
    if short is not None:
        short = CineStack(short.voxels, short.affine, short.frame_interval_s, (*notes, *short.notes))
    told = () if short is None else short.notes
    return DicomStudy(short, views, (*told, *of_names, *_notes_of(views)))


def read_long_axis(path: Path, short_axis: np.ndarray | None = None) -> DicomStudy:
    """Read the long-axis cines of a zip or folder of them (UK Biobank field 20208). No stack is taken for short axis.

    Args:
        path: as of `dicom_objects`.
        short_axis: (3,) normal in RAS of this person's short-axis slices, of length 1; None where it is unknown.

    Raises:
        InputError: as `read_dicom`, or it holds no long-axis cine.
    """
    path = Path(path)
    with _silent():
        named, notes = _long_axis_planes(path, short_axis)
        views = {view: _cine(path, [plane]) for view, plane in named.items()}
    return DicomStudy(None, views, (*notes, *_notes_of(views)))


def long_axis_views(path: Path, short_axis: np.ndarray | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The views of `read_long_axis`, whose pixels are left packed, and notes on their names.

    Raises:
        InputError: as `read_long_axis`, but for pixels.
    """
    with _silent():
        named, notes = _long_axis_planes(Path(path), short_axis)
    return tuple(named), notes


def read_short_axis(path: Path) -> CineStack:
    """The short-axis cine of `read_dicom`.

    Raises:
        InputError: as `read_dicom`, or there is none.
    """
    short = read_dicom(path, long_axis=False).short_axis
    if short is None:
        fault = f"holds cines, but no stack of {FEWEST_SLICES} or more parallel ones"
        raise InputError(path, fault, "give the short-axis series (UK Biobank field 20209)", code="geometry")
    return short


def glance_at_short_axis(path: Path) -> tuple[Glance, float] | None:
    """What the list of files and GLANCED_AT images say, and the longer side of a pixel in mm.

    None where they do not show a short-axis cine: there are too few files for one, or none of the images is of a cine.

    Raises:
        InputError: as `read_dicom`, but for what only the other images show.
    """
    path = Path(path)
    with _silent():
        found = glance(path, GLANCED_AT)
        read = [read_frames(path, content) for content in found.contents]
        frames = [frame for one in read if not isinstance(one, str) for frame in one if not frame.kind]
        _require_one_study(path, frames)
    if not frames or found.files + len(frames) < FEWEST_SLICES * FEWEST_FRAMES:
        return None
    return found, max(frames[0].pixel_mm)


@contextmanager
def _silent() -> Iterator[None]:
    """Without the warnings of pydicom and its codecs, which quote what files hold; our errors say what matters."""
    logs = [logging.getLogger(name) for name in LOUD]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
        forget()


def _read_all(path: Path) -> tuple[list[DicomFrame], Counter]:
    """Frames, each image once, and the number of objects of every other kind."""
    frames: dict[bytes, DicomFrame] = {}
    others: Counter = Counter()
    for number, content in enumerate(dicom_objects(path)):
        found = read_frames(path, content)
        if isinstance(found, str):
            others[found] += 1
            continue
        for place, frame in enumerate(found):
            frames.setdefault(frame.uid or b"%d.%d" % (number, place), frame)
    return list(frames.values()), others


def _require_one_study(path: Path, frames: Iterable[DicomFrame]) -> None:
    """Refuse cines of several examinations: those of two visits, or of two people, would make one heart."""
    studies = len({frame.study for frame in frames if not frame.kind and frame.study})
    if studies > 1:
        fault = f"holds cines of {studies} studies"
        raise InputError(path, fault, "give each visit of each person its own zip or folder", code="geometry")


@dataclass(slots=True, eq=False)
class Cine:
    """Frames of one place in order of time.

    Attributes:
        frames: in that order.
        moments: trigger times, else temporal positions, else instance numbers; None where nothing says the order.
        triggered: whether the moments are trigger times, in ms.
    """

    frames: list[DicomFrame]
    moments: list[float] | None = None
    triggered: bool = False

    @property
    def ordered(self) -> bool:
        return self.moments is not None

    @property
    def times_ms(self) -> list[float] | None:
        return self.moments if self.triggered else None


@dataclass(slots=True, eq=False)
class Slice(Cine):
    """One slice position and its cine.

    Attributes:
        repeats: how many other cines were taken there.
        places: of its frames in the cycle, counted in steps from the first one of the stack.
    """

    depth: float = 0.0
    repeats: int = 0
    places: list[int] = field(default_factory=list)

    @property
    def span(self) -> int:
        """How many frames there would be from the stack's first one to this slice's last, were none absent."""
        return self.places[-1] + 1


Stack = list[Slice]
AnyCine = TypeVar("AnyCine", bound=Cine)


def _stacks_and_planes(frames: Iterable[DicomFrame]) -> tuple[list[Stack], list[Slice]]:
    """Stacks of at least FEWEST_SLICES cines, and the cines that belong to none."""
    parallel: dict[tuple, list[DicomFrame]] = defaultdict(list)
    turns: list[np.ndarray] = []
    known: dict[tuple[float, ...], int] = {}
    for frame in frames:
        if frame.kind:
            continue
        turn = known.get(frame.orientation)
        if turn is None:
            turn = known[frame.orientation] = _turn(frame.orientation, turns)
        pixels = frame.pixels
        parallel[(turn, pixels.rows, pixels.columns, *np.round(frame.pixel_mm, 3))].append(frame)
    stacks, planes = [], []
    for group in parallel.values():
        slices = _slices(group)
        if len(slices) >= FEWEST_SLICES:
            stacks.append(slices if _is_even(slices) else _last_stack(group) or slices)
        else:
            planes += slices
    return stacks, planes


def _is_even(stack: Stack) -> bool:
    gaps = np.diff([one.depth for one in stack])
    return bool(np.abs(gaps / gaps.mean() - 1).max() <= TOLD_GAPS)


def _last_stack(frames: list[DicomFrame]) -> Stack | None:
    """The last whole stack among parallel images, where a series each holds one: the patient moved in between."""
    series: dict[bytes, list[DicomFrame]] = defaultdict(list)
    for frame in frames:
        series[frame.series].append(frame)
    stacks = [stack for stack in map(_slices, series.values()) if len(stack) >= FEWEST_SLICES and _is_even(stack)]
    if not stacks:
        return None
    whole = [Cine([frame for one in stack for frame in one.frames]) for stack in stacks]
    last = stacks[whole.index(_last(whole))]
    for one in last:
        one.repeats += len(stacks) - 1
    return last


def _turn(orientation: tuple[float, ...], turns: list[np.ndarray]) -> int:
    """The number of a direction among those seen, new or near enough to one of them."""
    here = np.array(orientation)
    for number, turn in enumerate(turns):
        if np.abs(turn - here).max() < SAME_TURN:
            return number
    turns.append(here)
    return len(turns) - 1


def _normal(frame: DicomFrame) -> np.ndarray:
    return np.cross(frame.orientation[:3], frame.orientation[3:])


def _slices(frames: list[DicomFrame]) -> Stack:
    """The cines of parallel images, in order along the normal; one a position, the last that was taken there."""
    depths = np.array([frame.position for frame in frames]) @ _normal(frames[0])
    order = np.argsort(depths, kind="stable")
    ends = np.flatnonzero(np.diff(depths[order]) > SAME_PLACE_MM) + 1
    places = [[frames[i] for i in place] for place in np.split(order, ends)]
    cines = [_cines(at) for at in places]
    counts = Counter(len(cine.frames) for here in cines for cine in here)
    if not counts:
        return []
    usual = max(counts, key=lambda count: (counts[count], count))
    slices = []
    for depth, here in zip((float(depths[place].mean()) for place in np.split(order, ends)), cines, strict=True):
        if here:
            whole = [cine for cine in here if len(cine.frames) >= LEAST_FRAMES * usual] or here
            whole = [cine for cine in whole if not cine.frames[0].derived] or whole
            last = _last(whole)
            slices.append(Slice(last.frames, last.moments, last.triggered, depth, len(whole) - 1))
    return slices


def _cines(frames: list[DicomFrame]) -> list[Cine]:
    """The cines of one position: one a series, or several where the series repeats them."""
    series: dict[bytes, list[DicomFrame]] = defaultdict(list)
    for frame in frames:
        series[frame.series].append(frame)
    cines = [_in_time(cine) for one in series.values() for cine in _repetitions(one)]
    return [cine for cine in cines if len(cine.frames) >= FEWEST_FRAMES]


def _repetitions(frames: list[DicomFrame]) -> list[list[DicomFrame]]:
    """The cines of one series at one position. Where one begins again, its times begin again.

    They differ in the number of their acquisition, or else follow one another by instance number.
    """
    if _in_time(frames).times_ms:
        return [frames]
    acquisitions: dict[int | None, list[DicomFrame]] = defaultdict(list)
    for frame in frames:
        acquisitions[frame.acquisition].append(frame)
    parts = list(acquisitions.values())
    if len(parts) > 1 and all(len(part) >= FEWEST_FRAMES and _in_time(part).times_ms for part in parts):
        return parts
    if not _in_time(frames).ordered:
        return parts
    times: dict[float | int, list[DicomFrame]] = defaultdict(list)
    for frame in sorted(frames, key=lambda frame: frame.instance or 0):
        moment = frame.temporal if frame.trigger_ms is None else frame.trigger_ms
        if moment is None or frame.instance is None:
            return [frames]
        times[moment].append(frame)
    often = {len(same) for same in times.values()}
    if len(often) > 1 or len(times) < FEWEST_FRAMES:
        return [frames]  # the times are no times, or rounded
    return [[same[number] for same in times.values()] for number in range(often.pop())]


def _in_time(frames: list[DicomFrame]) -> Cine:
    """Frames by trigger time, else by temporal position, else by instance number, whichever tells all of them apart."""
    ways: tuple[Callable[[DicomFrame], float | None], ...] = (
        lambda frame: frame.trigger_ms,
        lambda frame: frame.temporal,
        lambda frame: frame.instance,
    )
    for number, way in enumerate(ways):
        times = [way(frame) for frame in frames]
        if None not in times and len(set(times)) == len(times):
            return Cine([frames[i] for i in np.argsort(times)], sorted(times), triggered=number == 0)
    return Cine(frames)


def _last(cines: Sequence[AnyCine]) -> AnyCine:
    """The one that was taken last: by its times, else by the number of its series, else the last in the input."""
    taken = [max(frame.taken for frame in cine.frames) for cine in cines]
    if all(taken) and len(set(taken)) == len(taken):
        return cines[taken.index(max(taken))]
    numbers = [cine.frames[0].series_number for cine in cines]
    if None not in numbers:
        return max(zip(numbers, range(len(cines)), cines, strict=True), key=lambda one: one[:2])[2]
    return cines[-1]


def _short_axis(path: Path, stacks: list[Stack]) -> tuple[Stack | None, tuple[str, ...]]:
    """The short-axis stack among stacks of cines, and what must be said of the choice."""

    def rank(stack: Stack) -> tuple[bool, int]:
        return _usual(stack), sum(len(one.frames) for one in stack)

    oblique = [stack for stack in stacks if np.abs(_normal(stack[0].frames[0])).max() < BODY_AXIS]
    if not oblique:
        return None, ()
    chosen = max(oblique, key=rank)
    if not _usual(chosen):
        return chosen, ("its slices do not lie as a short axis does in most people: is it one?",)
    if len(stacks) > 1:
        return chosen, (f"one of {len(stacks)} stacks of cines was taken: the one that lies as a short axis does",)
    return chosen, ()


def _usual(stack: Stack) -> bool:
    """Whether its normal lies as the long axis of most hearts does."""
    along = _normal(stack[0].frames[0]) * RAS @ TOWARDS_APEX / np.linalg.norm(TOWARDS_APEX)
    return bool(abs(along) > USUAL_TILT)


def _nothing(path: Path, frames: list[DicomFrame], stacks: list[Stack], others: Counter) -> InputError:
    """The refusal of what holds no cine, which says what it holds."""
    found = _kinds(frames, others)
    if stacks:
        found = Counter({"cines in an axial, coronal or sagittal stack": sum(map(len, stacks))})
    return InputError(
        path,
        f"holds no short-axis cine{_but(found)}",
        "give the short-axis series (UK Biobank field 20209)",
        code="geometry",
    )


def _kinds(frames: list[DicomFrame], others: Counter) -> Counter:
    """How many images there are of every kind, in words."""
    return Counter(others) + Counter(frame.kind or "images that are no cine" for frame in frames)


def _but(found: Counter) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.most_common(LAST_TOLD))
    return f" (but {kinds})" if kinds else ""


def _cine(path: Path, stack: Stack) -> CineStack:
    """A stack as voxels from base to apex, with its affine."""
    if not all(one.ordered for one in stack):
        fault = "holds images of one place whose order in time nothing says"
        raise InputError(path, fault, "export it again with trigger times or instance numbers", code="frames")
    first = stack[0].frames[0]
    if _normal(first) * RAS @ TOWARDS_APEX < 0:
        stack = stack[::-1]
    affine, notes = _affine(path, stack)
    repeated = sum(one.repeats > 0 for one in stack)
    if repeated:
        notes += (f"{repeated} of {len(stack)} slices were taken more than once: the last is used",)
    chosen, time_notes = _frames_of_each(path, stack)
    interval = _interval_s(stack, len(chosen[0]))
    return CineStack(_voxels(path, chosen), affine, interval, notes + time_notes)


def _affine(path: Path, stack: Stack) -> tuple[np.ndarray, tuple[str, ...]]:
    """(4, 4) (column, row, slice) -> RAS mm, and a note where the gaps between the slices differ."""
    first = stack[0].frames[0]
    places = np.array([one.frames[0].position for one in stack])
    notes: tuple[str, ...] = ()
    if len(stack) > 1:
        step = (places[-1] - places[0]) / (len(stack) - 1)
        gaps = np.abs(np.diff([one.depth for one in stack]))
        off = np.abs(gaps / gaps.mean() - 1).max()
        if off > TOLD_GAPS:
            fault = f"has gaps of {gaps.min():.1f} to {gaps.max():.1f} mm between its slices"
            raise InputError(path, fault, "a slice is absent or out of place: export all of them", code="geometry")
        if off > EVEN_GAPS:
            notes = (f"gaps of {gaps.min():.1f} to {gaps.max():.1f} mm between the slices are taken as even",)
        aside = np.linalg.norm(places - places[0] - np.arange(len(stack))[:, None] * step, axis=1).max()
        if aside > max(first.pixel_mm) + TOLD_GAPS * gaps.mean():
            fault = f"has slices that lie up to {aside:.1f} mm beside one another"
            raise InputError(path, fault, "export a stack of one field of view", code="geometry")
    else:
        step = _normal(first) * max(first.pixel_mm) * 5
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.pixel_mm[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.pixel_mm[0]
    affine[:3, 2] = step
    affine[:3, 3] = places[0]
    affine[:2] *= -1
    return affine, notes


def _frames_of_each(path: Path, stack: Stack) -> tuple[list[list[DicomFrame]], tuple[str, ...]]:
    """As many frames of every slice as most have, absent ones counted. Those of other slices are the nearest ones."""
    _place_frames(stack)
    spans = Counter(one.span for one in stack)
    usual = max(spans, key=lambda span: (spans[span], span))
    if all(len(one.frames) == usual for one in stack):
        return [one.frames for one in stack], ()
    fewest = min(len(one.frames) for one in stack)
    if fewest < LEAST_FRAMES * usual:
        fault = f"has a slice of {fewest} frames, where the others have {usual}"
        raise InputError(path, fault, "frames are absent: export all of them", code="frames")
    timed = [one for one in stack if one.times_ms]
    whole = [one for one in timed if len(one.frames) == usual] or timed
    step = np.median([np.median(np.diff(one.times_ms)) for one in whole]) if whole else None
    chosen, absent, resampled = [], 0, 0
    for one in stack:
        if len(one.frames) == usual:
            chosen.append(one.frames)
            continue
        phase, lacks = _phases(one, usual, step)
        absent, resampled = absent + lacks, resampled + (not lacks)
        away = np.abs(np.arange(usual)[:, None] / usual - phase)
        nearest = np.minimum(away, 1 - away).argmin(axis=1)
        chosen.append([one.frames[i] for i in nearest])
    notes = ()
    if absent:
        notes += (f"frames of {absent} of {len(stack)} slices are absent: the nearest ones are repeated",)
    if resampled:
        notes += (
            f"{resampled} of {len(stack)} slices have another number of frames: the nearest of {usual} are taken",
        )
    return chosen, notes


def _place_frames(stack: Stack) -> None:
    """Say of every frame its place in the cycle. A longer step than usual leaves places free: frames are absent there.

    So does a slice that begins later than the others, by trigger times, or by instance numbers that begin anew.
    """
    steps = [float(np.median(np.diff(one.moments))) for one in stack]
    first = min(one.moments[0] for one in stack)
    late = [round((one.moments[0] - first) / step) for one, step in zip(stack, steps, strict=True)]
    counted = all(one.triggered for one in stack) or all(step == 1 for step in steps)
    if not counted or max(late) >= min(len(one.frames) for one in stack):
        late = [0] * len(stack)  # numbers that go on from slice to slice
    for one, step, begin in zip(stack, steps, late, strict=True):
        gaps = np.maximum(np.round(np.diff(one.moments) / step), 1).astype(int)
        places = begin + np.concatenate([[0], np.cumsum(gaps)])
        count = len(one.frames)
        one.places = (places if LEAST_FRAMES * (places[-1] + 1) <= count else np.arange(count)).tolist()


def _phases(one: Slice, usual: int, step: float | None) -> tuple[np.ndarray, bool]:
    """(frames,) share of the cycle in [0, 1), and whether frames are absent (else the slice was sampled otherwise)."""
    count = len(one.frames)
    if one.times_ms and step:
        times = np.array(one.times_ms) - min(one.times_ms)
        own = float(np.median(np.diff(one.times_ms)))
        cycle = one.frames[0].cycle_ms
        if cycle and times[-1] < cycle < times[-1] + 1.5 * own:
            step = cycle / count  # the whole cycle was sampled, by another number of frames
        elif count < usual and abs(own / step - 1) < SAME_STEP or count < usual and cycle and cycle > times[-1]:
            return np.array(one.times_ms) / (cycle or usual * step), True
        return times / (times[-1] + own), bool(count < usual and np.diff(times).max() > 1.5 * own)
    places = [frame.temporal for frame in one.frames]
    if None not in places and len(set(places)) == count and max(places) <= usual:
        return (np.array(places) - 1) / usual, True
    if one.places != list(range(count)) and one.span <= usual:
        return np.array(one.places) / usual, True
    return np.arange(count) / count, False


def _interval_s(stack: Stack, frames: int) -> float | None:
    """Seconds from frame to frame, the mean of the slices: by trigger times, else by the cycle, else by repetition."""
    of_slices = [
        (one.times_ms[-1] - one.times_ms[0]) / (one.span - 1 - one.places[0])
        for one in stack
        if one.times_ms and one.span == frames
    ]
    cycles = [one.frames[0].cycle_ms / frames for one in stack if one.frames[0].cycle_ms]
    repeats = [one.frames[0].repetition_ms for one in stack if one.frames[0].repetition_ms]
    for ways in (of_slices, cycles, repeats):
        if ways and CYCLE_S[0] < np.mean(ways) * MS * frames < CYCLE_S[1]:
            return float(np.mean(ways) * MS)
    return None


def _voxels(path: Path, chosen: list[list[DicomFrame]]) -> np.ndarray:
    """(column, row, slice, frame), whole numbers as stored, or float32 where they are rescaled."""
    every = [frame for frames in chosen for frame in frames]
    first = every[0].pixels
    scaled = any((frame.slope, frame.intercept) != (1, 0) or frame.pixels.inverted for frame in every)
    kinds = {frame.pixels.dtype for frame in every}
    dtype = np.dtype(np.float32) if scaled else np.result_type(*kinds)
    voxels = np.empty((len(chosen[0]), len(chosen), first.rows, first.columns), dtype)
    for place, frames in enumerate(chosen):
        for moment, frame in enumerate(frames):
            values = frame.pixels.frame(path, frame.index)
            if scaled:
                sign = -1 if frame.pixels.inverted else 1
                values = sign * (values * frame.slope + frame.intercept)
            voxels[moment, place] = values
    if voxels.min() == voxels.max():
        raise InputError(path, "has one and the same value in every voxel", "export it again", code="flat")
    return voxels.transpose(3, 2, 1, 0)


def _long_axis_planes(path: Path, short_axis: np.ndarray | None) -> tuple[dict[str, Slice], tuple[str, ...]]:
    frames, others = _read_all(path)
    _require_one_study(path, frames)
    stacks, planes = _stacks_and_planes(frames)
    if not planes:
        found = Counter({f"stacks of {FEWEST_SLICES} or more parallel cines": len(stacks)} if stacks else {})
        fault = f"holds no long-axis cine{_but(found or _kinds(frames, others))}"
        raise InputError(path, fault, "give the long-axis series (UK Biobank field 20208)", code="geometry")
    named, notes = _named_planes(planes, short_axis)
    if stacks:
        notes = (*notes, f"{len(stacks)} stacks of parallel cines are no long axis: they are left out")
    return named, notes


def _notes_of(views: dict[str, CineStack]) -> tuple[str, ...]:
    return tuple(f"{view}: {note}" for view, cine in views.items() for note in cine.notes)


def _named_planes(planes: list[Slice], short_axis: np.ndarray | None) -> tuple[dict[str, Slice], tuple[str, ...]]:
    """View -> the cine that was taken last of it, in order of the views, those without a name behind; and notes."""
    words, normals = [plane.frames[0].view for plane in planes], [_normal(plane.frames[0]) * RAS for plane in planes]
    views, notes = name_views(words, normals, short_axis)
    takes: dict[str, list[Slice]] = defaultdict(list)
    nameless = 0
    for view, plane in zip(views, planes, strict=True):
        nameless += not view
        takes[view or f"la_{nameless}"].append(plane)
    named = {}
    for view in sorted(takes):
        named[view] = _last(takes[view])
        named[view].repeats += len(takes[view]) - 1
    return named, notes
