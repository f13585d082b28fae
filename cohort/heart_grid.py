"""The heart on one grid: every acquisition resampled, in millimetres, to the same axes, centre, spacing and window.

The canonical axes, whatever the order of those in the file:
    s: from slice to slice, base to apex, along the stack's normal.
    x: from column to column, towards the patient's left, projected onto the slice.
    y: from row to row, x cross s, towards posterior and inferior.

So the right ventricle lies on the left of the picture, and the anterior wall on top.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import scipy  # its parts load when first used: --help need not wait for them

from cohort.cine import TOWARDS_APEX, CineStack, Label, read_nifti, read_nifti_header, same_affine
from cohort.dicom_stack import read_short_axis
from cohort.errors import InputError, require_within
from cohort.joined_slices import join_slices
from cohort.label_numbering import in_ukbb_numbers
from cohort.label_quality import FEWEST_PIXELS
from cohort.labelled_orientation import oriented_by_labels
from cohort.phase_labels import labels_in_cine
from cohort.phases import end_diastole, end_systole
from cohort.subjects import ShortAxis, Subject

LEFT, POSTERIOR = np.array([-1.0, 0, 0]), np.array([0, -1.0, 0])
ILL_DEFINED = 0.2  # sine of an angle; a direction closer than this to the plane, or to its normal, is not trusted
SNAP_TOLERANCE = 0.02  # of the slice step
WINDOW_PERCENT = (1, 99)
NESTED = (
    (Label.RV_CAVITY, (Label.LV_CAVITY, Label.LV_MYOCARDIUM, Label.RV_CAVITY)),
    (Label.LV_MYOCARDIUM, (Label.LV_CAVITY, Label.LV_MYOCARDIUM)),
    (Label.LV_CAVITY, (Label.LV_CAVITY,)),
)
FARTHEST_MM = 7.0  # where a region ends between two slices; of 4 to 20 mm, 7 kept a real heart's volumes best
TIE = 1e-4  # in voxels: nearer than this to a tie, rounding errors must not decide
MOTION_SMOOTHING_MM = 6.0
MOTION_FRAMES = 25  # of a cycle: as many again cost 12 ms and move the centre by less than a millimetre
MOTION_THRESHOLD = 0.4  # of a slice's largest variation; measured on a real cine, 0.35 to 0.45 all land within 7 mm
STILL_SLICE = 0.3  # of the stack's largest variation; a slice that stays under it shows no heart
SYSTOLE = (0.2, 0.6)  # the part of the cycle in which ES is looked for
HEART_RADIUS_MM = 50.0
FEWEST_ORDERED = 4  # frames and slices; of fewer, their likeness says nothing of their order
LIKELIER = 1.1  # difference of neighbouring slices over that of neighbouring frames; 2.6 or more in every sound cine
LOOKED_AT = 6  # moments of the cycle; all of them cost ten times as much and tell no more
LONGEST_STACK_MM = 300.0


GEOMETRY = {  # what a grid may be: whole numbers, and millimetres
    "slices": (1, 100),
    "phases": (1, 100),
    "height": (4, 1024),
    "width": (4, 1024),
    "slice_step_mm": (0.5, 100),
    "pixel_mm": (0.1, 20),
}


@dataclass(frozen=True)
class GridGeometry:
    """Size and spacing of the grid. Phase 0 is ED. With two phases, phase 1 is ES; more are spread over the cycle."""

    slices: int = 10
    phases: int = 2
    height: int = 96
    width: int = 96
    slice_step_mm: float = 10.0
    pixel_mm: float = 1.8

    def require_sound(self) -> None:
        """Refuse (InputError) a size or a spacing outside GEOMETRY."""
        for name, limits in GEOMETRY.items():
            require_within(f"--geometry.{name.replace('_', '-')}", getattr(self, name), *limits)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (self.slices, self.phases, self.height, self.width)

    @property
    def slice_position_mm(self) -> np.ndarray:
        """(slices,) distance of each slice from the grid's centre, towards the apex."""
        return (np.arange(self.slices) - (self.slices - 1) / 2) * self.slice_step_mm

    @property
    def phase(self) -> np.ndarray:
        """(phases,) share of the cycle in [0, 1), ED 0."""
        return np.arange(self.phases) / self.phases


@dataclass(frozen=True, eq=False)
class HeartGrid:
    """One heart on the grid.

    Attributes:
        voxels: (slices, phases, height, width) float32 in [0, 1]; 0 outside the acquisition.
        mask: (slices, phases) bool, False where the acquisition has no slice, or a wholly dark one.
        labels: (slices, phases, height, width) uint8 of `Label`, or None.
        affine: (4, 4), (column, row, slice, 1) -> RAS mm. Its slice step is the acquisition's own where that is within
            SNAP_TOLERANCE of the geometry's. So compute volumes with `slice_step_mm`.
        geometry: what was asked for.
        notes: what had to be estimated, in words.
        frame_interval_s: from phase to phase, where phases are spread over a cycle of known length; else None.
    """

    voxels: np.ndarray
    mask: np.ndarray
    labels: np.ndarray | None
    affine: np.ndarray
    geometry: GridGeometry
    notes: tuple[str, ...] = ()
    frame_interval_s: float | None = None

    @property
    def slice_step_mm(self) -> float:
        """The affine's: what lies between two slices of this heart."""
        return float(np.linalg.norm(self.affine[:3, 2]))


def read_heart(subject: Subject, geometry: GridGeometry | None = None) -> HeartGrid:
    """Read a subject's short-axis MRI, in either layout, onto the grid.

    ED and ES are the files of these names. In a labelled cine they are the frames of the largest and the smallest LV
    cavity (`end_diastole`, `end_systole`). Without a label map, ED is frame 0 and ES is estimated
    (`estimate_es_frame`).

    Raises:
        InputError: no MRI, a file that `read_nifti` refuses, or files that do not share one geometry. Also where no
            orientation is stated, time and slices are exchanged, or a label map cannot be what it says.
    """
    geometry = geometry or GridGeometry()
    return stacks_grid(*read_stacks(subject, geometry.phases), geometry, subject.short_axis_called)


Stacks = tuple[CineStack, ...]


def read_stacks(subject: Subject, phases: int = 2) -> tuple[Stacks, tuple[CineStack | None, ...]]:
    """A subject's images as stored, (ED, ES) or (cine,), and the label map of each.

    ED and ES files are preferred for one or two phases (no need to inflate the whole cine).

    Label maps come in the numbers of `Label` (`in_ukbb_numbers`). Where a cine states no orientation and has no map,
    those of its ED and ES stand at their frames (`labels_in_cine`).

    Raises:
        InputError: no MRI, or a file that `read_nifti`, `in_ukbb_numbers` or `labels_in_cine` refuses.
    """
    images = subject.images
    if images.ed and images.es and phases <= 2:
        stills = tuple(read_nifti(path) for path in (images.ed, images.es))
        return stills, _read_maps(images.labels_ed, images.labels_es)
    if images.dicom is not None and images.cine is None:
        return (read_short_axis(Path(images.dicom)),), _read_maps(images.labels_cine)
    if images.slices and images.cine is None:
        return (join_slices(images.slices),), (None,)
    if images.cine is None:
        remedy = "put sa.nii.gz, or sa_ED.nii.gz and sa_ES.nii.gz, in its folder"
        raise InputError(subject.short_axis_called, "is not there", remedy, code="absent")
    cine = read_nifti(images.cine)
    if not images.labels_cine and images.ed and images.es and not cine.states_orientation:
        stills = tuple(read_nifti(path) for path in (images.ed, images.es))
        maps = _read_maps(images.labels_ed, images.labels_es)
        return (cine,), (labels_in_cine(cine, stills, maps, subject.short_axis_called),)
    return (cine,), _read_maps(images.labels_cine)


def read_stack_headers(subject: Subject) -> tuple[Stacks, tuple[CineStack | None, ...]]:
    """As `read_stacks`, of NIfTI files by `read_nifti_header`: shapes, affines and intervals are those of the files.

    Raises:
        InputError: as `read_stacks`, but for what only voxels show; or what `stacks_grid` refuses by headers alone.
    """
    images, name = subject.images, subject.short_axis_called
    if images.ed and images.es:
        stacks = tuple(read_nifti_header(path) for path in (images.ed, images.es))
        labels = images.labels_ed, images.labels_es
    elif images.slices and images.cine is None:
        stacks, labels = (join_slices(images.slices, read_nifti_header),), (None,)
    else:
        stacks, labels = (read_nifti_header(images.cine),), (images.labels_cine,)
    maps = tuple(path and read_nifti_header(path, labels=True) for path in labels)
    _require_same_geometry(name, *stacks, *maps)
    if len(stacks) == 1:
        _require_frames(name, *stacks, *maps)
    _require_short_axis(name, stacks[0])
    if not stacks[0].states_orientation and None in maps:
        _oriented(stacks[0], None, GridGeometry(), name)
    return stacks, maps


def is_read_as_dicom(images: ShortAxis) -> bool:
    """Whether `read_stacks` reads an MRI's DICOM files, and not a NIfTI beside them."""
    return images.dicom is not None and images.cine is None and not (images.ed and images.es)


def _read_maps(*paths: Path | str | None) -> tuple[CineStack | None, ...]:
    return in_ukbb_numbers([path and read_nifti(path, labels=True) for path in paths], paths)


def stacks_grid(
    images: Stacks, maps: tuple[CineStack | None, ...], geometry: GridGeometry, source: str = "short-axis MRI"
) -> HeartGrid:
    """Put what `read_stacks` read onto the grid. Errors are those of `cine_grid` and `heart_grid`."""
    if len(images) == 2:
        return heart_grid(*images, *maps, geometry, source)
    return cine_grid(*images, *maps, geometry, source)


def cine_grid(
    cine: CineStack,
    labels: CineStack | None = None,
    geometry: GridGeometry | None = None,
    source: str = "cine",
    ed: int | None = None,
) -> HeartGrid:
    """Put a whole cine, and its label map of the same shape if there is one, onto the grid.

    Two phases are ED and ES. More phases are spread evenly over the cycle, the first being ED. Images are interpolated
    in time; labels are those of the nearest frame.

    Args:
        ed: the frame of ED, where it is known.

    Raises:
        InputError: the two do not share one geometry, or there is no motion to choose ES from. Also where the image
            cannot be a short-axis cine with its slices on the third axis and its frames on the fourth.
    """
    geometry = geometry or GridGeometry()
    _require_same_geometry(source, cine, labels)
    _require_order(source, cine)
    frames, notes = cine.voxels.shape[3], ()
    motion = cache(lambda: _motion_centre(cine))  # looked for once, and only where there is no label map
    _require_frames(source, cine, labels, geometry.phases)
    largest, es = (0, 0) if labels is None else labelled_phases(labels.voxels)
    ed = largest if ed is None else ed
    if ed == largest != 0:
        notes = (f"ED is frame {ed} of the cine, not 0: the LV cavity is largest there",)
    if geometry.phases != 2:
        moments = (ed + np.arange(geometry.phases) * frames / geometry.phases) % frames
    elif frames == 2:
        moments = np.array([ed, 1 - ed])
    elif es != ed:
        moments = np.array([ed, es])
    else:
        moments = np.array([0, estimate_es_frame(cine, motion()[0])])
        notes = (f"end-systole from the film (frame {moments[1]})",)
    grid = _at(moments, cine, labels, motion, geometry, notes, source)
    if geometry.phases == 2 or cine.frame_interval_s is None:
        return grid
    return replace(grid, frame_interval_s=cine.frame_interval_s * frames / geometry.phases)


def cine_on_grid(
    cine: CineStack, labels: CineStack | None, affine: np.ndarray, geometry: GridGeometry, source: str = "cine"
) -> tuple[np.ndarray, np.ndarray | None]:
    """A whole cine at the very places where its stills lie, the frames spread evenly from ED on.

    Args:
        cine, labels: as of `cine_grid`. affine: (4, 4) of the stills' grid. geometry: that grid's, of as many phases as
            frames are wanted.

    Returns:
        voxels (slices, phases, height, width) in [0, 1], and labels of that shape; None where a frame has none.

    Raises:
        InputError: as `cine_grid`; or the cine does not state how it lies.
    """
    _require_same_geometry(source, cine, labels)
    _require_order(source, cine)
    _require_frames(source, cine, labels, geometry.phases)
    if not cine.states_orientation:
        fault, remedy = "does not state its orientation", "it cannot be laid on its stills; they are used alone"
        raise InputError(source, fault, remedy, code="geometry")
    frames = cine.voxels.shape[3]
    ed = 0 if labels is None else labelled_phases(labels.voxels)[0]
    moments = (ed + np.arange(geometry.phases) * frames / geometry.phases) % frames
    sampling = _Sampling(cine, cine.slice_axis, affine, geometry)
    chosen = np.moveaxis(_at_moments(cine.voxels, moments), 3, 0)
    voxels = _windowed(np.stack([sampling.image(frame) for frame in chosen], axis=1), sampling.inside, source)
    if labels is None:
        return voxels, None
    drawn = np.moveaxis(labels.voxels[..., np.round(moments).astype(int) % frames], 3, 0)
    known = drawn.any(axis=(1, 2, 3)).all()
    return voxels, np.stack([sampling.labels(frame) for frame in drawn], axis=1) if known else None


def own_slices_grid(
    cine: CineStack, source: str = "cine", pixels: GridGeometry | None = None, centre: np.ndarray | None = None
) -> HeartGrid:
    """Every frame and every slice of a cine, in slices of its own, on the grid's axes and pixels.

    No slice is interpolated and none is cut off. Within the slices the grid is centred on what moves. Axes run as in
    any grid: base first, anterior wall on top.

    Args:
        cine: (x, y, z, t) of at least two frames. No label map is looked at.
        pixels: whose height, width and pixel_mm are taken.
        centre: voxel index (3,) of the heart's centre, where it is known; else that of what moves.

    Returns:
        HeartGrid (slices, frames, height, width), whose geometry tells the file's own slices and frames.

    Raises:
        InputError: as `cine_grid`. Also where no orientation is stated.
    """
    _require_order(source, cine)
    _require_frames(source, cine, None)
    _require_short_axis(source, cine)
    slices, frames = cine.voxels.shape[cine.slice_axis], cine.voxels.shape[3]
    geometry = replace(pixels or GridGeometry(), slices=slices, phases=frames, slice_step_mm=cine.slice_step_mm)
    if not cine.states_orientation:
        cine = _oriented(cine, None, geometry, source)

    def motion() -> tuple[np.ndarray, bool]:
        middle, moves = _motion_centre(cine) if centre is None else (np.array(centre, float), True)
        middle[cine.slice_axis] = (slices - 1) / 2
        return middle, moves

    return _grid(cine, None, motion, geometry, cine.notes, source)


def labelled_phases(labels: np.ndarray) -> tuple[int, int]:
    """The frames of ED and ES by label maps (x, y, z, t); twice the same one where they do not tell ES."""
    cavity = int(Label.LV_CAVITY)  # numpy would compare with the enum in 64 bits, five times as slowly
    volumes = np.array([np.count_nonzero(frame == cavity) for frame in np.moveaxis(labels, 3, 0)])
    ed = end_diastole(volumes)
    return ed, end_systole(volumes, ed)


def _at(
    moments: np.ndarray,
    cine: CineStack,
    labels: CineStack | None,
    motion: Callable[[], tuple[np.ndarray, bool]],
    geometry: GridGeometry,
    notes: tuple[str, ...],
    source: str,
) -> HeartGrid:
    """The grid of a cine at some moments, counted in frames."""
    chosen = CineStack(_at_moments(cine.voxels, moments), cine.affine)
    maps = None if labels is None else labels.voxels[..., np.round(moments).astype(int) % cine.voxels.shape[3]]
    _require_short_axis(source, chosen)
    if not chosen.states_orientation:
        chosen = _oriented(chosen, None if maps is None else maps[..., 0], geometry, source)
    notes = (*cine.notes, *(() if labels is None else labels.notes), *chosen.notes, *notes)
    if maps is not None and not maps.any(axis=(0, 1, 2)).all():
        maps, notes = None, (*notes, "the label map is empty at a phase: it is not used")
    return _grid(chosen, maps, motion, geometry, notes, source)


def _oriented(stack: CineStack, labels: np.ndarray | None, geometry: GridGeometry, source: str) -> CineStack:
    """A stack that states no orientation, turned as its label map at ED (x, y, z) tells."""
    return oriented_by_labels(stack, labels, usual_axes(geometry), source)


def usual_axes(geometry: GridGeometry | None = None) -> np.ndarray:
    """(3, 3) unit columns of `canonical_affine`: the axes x, y, s of most hearts in RAS."""
    geometry = geometry or GridGeometry()
    return canonical_affine(geometry)[:3, :3] / [geometry.pixel_mm, geometry.pixel_mm, geometry.slice_step_mm]


def heart_grid(
    ed: CineStack,
    es: CineStack | None,
    labels_ed: CineStack | None = None,
    labels_es: CineStack | None = None,
    geometry: GridGeometry | None = None,
    source: str = "short-axis MRI",
) -> HeartGrid:
    """Put an ED and an ES volume onto the grid, with their label maps if there are both.

    All have t = 1, one shape and one affine.

    Raises:
        InputError: as `cine_grid`, or more than two phases are asked for.
    """
    geometry = geometry or GridGeometry()
    if geometry.phases > 2:
        raise InputError(
            source, f"{geometry.phases} phases need a cine", "give the whole cine, or ask for 2 phases", code="frames"
        )
    images, maps = (ed, es)[: geometry.phases], (labels_ed, labels_es)[: geometry.phases]
    _require_same_geometry(source, *images, *maps)
    cine, labels = _joined(*images), None if None in maps else _joined(*maps)
    grid = _at(np.arange(geometry.phases), cine, labels, cache(lambda: _motion_centre(cine)), geometry, (), source)
    if labels is None and any(maps):
        grid = replace(grid, notes=(*grid.notes, "only one of ED and ES has a label map: it is not used"))
    return grid


def to_cine(grid: HeartGrid) -> CineStack:
    """The grid as a stack (x = column, y = row, z = slice, t = phase) in the patient's mm.

    Putting this stack onto the same grid gives the grid back.

    Labels, if wanted, are a stack of the same affine: `CineStack(grid.labels.transpose(3, 2, 0, 1), grid.affine)`.
    """
    voxels = np.asfortranarray(grid.voxels.transpose(3, 2, 0, 1))
    return CineStack(voxels, grid.affine.copy(), grid.frame_interval_s)


def canonical_affine(geometry: GridGeometry | None = None) -> np.ndarray:
    """(4, 4), (column, row, slice, 1) -> RAS mm for a heart whose place in the body is unknown.

    Its long axis is a typical one, base to apex: 45 degrees from straight ahead towards the left, 35 degrees down. The
    grid's centre is the origin.
    """
    geometry = geometry or GridGeometry()
    leftwards, downwards = np.radians([45, 35])
    horizontal = np.cos(downwards)
    normal = np.array([-horizontal * np.sin(leftwards), horizontal * np.cos(leftwards), -np.sin(downwards)])
    return _affine_about(np.zeros(3), _canonical_axes(normal)[0], geometry, geometry.slice_step_mm)


def estimate_es_frame(cine: CineStack, centre: np.ndarray | None = None) -> int:
    """The frame least like ED (mean absolute difference near the heart's centre) within SYSTOLE of the cycle.

    Args:
        centre: voxel index (3,) of the heart's centre. If not given, it is that of what moves.
    """
    frames = cine.voxels.shape[3]
    centre = _motion_centre(cine)[0] if centre is None else centre
    away = [(np.arange(cine.voxels.shape[axis]) - centre[axis]) * cine.spacing_mm[axis] for axis in cine.in_plane_axes]
    near = np.add.outer(away[0] ** 2, away[1] ** 2) < HEART_RADIUS_MM**2
    volumes = np.moveaxis(cine.voxels, cine.slice_axis, 2)  # (pixels, pixels, z, t)
    ed = volumes[..., 0][near].astype(np.float32)  # (points, z)
    candidates = range(max(1, int(np.ceil(SYSTOLE[0] * frames))), max(1, int(SYSTOLE[1] * frames)) + 1)
    return max(candidates, key=lambda frame: float(np.abs(volumes[..., frame][near] - ed).mean()))


def _require_same_geometry(source: str, first: CineStack, *others: CineStack | None) -> None:
    for other in others:
        if other is None:
            continue
        if other.voxels.shape[:3] != first.voxels.shape[:3] or not same_affine(other.affine, first.affine):
            raise InputError(
                source, "its files differ in size or affine", "resample them to one geometry", code="geometry"
            )


def _require_frames(source: str, cine: CineStack, labels: CineStack | None, phases: int = 2) -> None:
    frames = cine.voxels.shape[3]
    if labels is not None and labels.voxels.shape[3] != frames:
        raise InputError(
            source, "the label map has another number of frames", "give one for every frame, or none", code="frames"
        )
    if frames == 1 and phases == 2:
        raise InputError(source, "is one frame", "give a cine, or an ED and an ES volume", code="frames")


def _joined(*stills: CineStack) -> CineStack:
    """The stills as frames of one stack, with the notes of all of them, each once."""
    voxels = np.concatenate([still.voxels[..., :1] for still in stills], axis=3)
    notes = tuple(dict.fromkeys(note for still in stills for note in still.notes))
    return CineStack(voxels, stills[0].affine, notes=notes)


def _require_order(source: str, cine: CineStack) -> None:
    """Refuse frames that differ as slices do: time and slices are exchanged or interleaved, as some exports have it."""
    slices, frames = cine.voxels.shape[cine.slice_axis], cine.voxels.shape[3]
    if min(slices, frames) < FEWEST_ORDERED:
        return
    from_slice = from_frame = 0.0
    for moment in np.linspace(0, frames - 2, LOOKED_AT).astype(int):
        now, later = (np.asarray(cine.voxels[..., t], np.float32) for t in (moment, moment + 1))
        from_slice += np.abs(np.diff(now, axis=cine.slice_axis)).mean()
        from_frame += np.abs(later - now).mean()
    if from_slice < LIKELIER * from_frame:
        raise InputError(
            source,
            f"its {slices} slices are more alike than its {frames} frames",
            "exchange slices and frames: the axes are x, y, z, t",
            code="geometry",
        )


def _require_short_axis(source: str, stack: CineStack) -> None:
    """Refuse what is no stack of slices."""
    slices = stack.voxels.shape[stack.slice_axis]
    if 1 in stack.voxels.shape[:3]:
        raise InputError(
            source, "is one slice, such as a long-axis view", "give the whole short-axis stack", code="geometry"
        )
    if slices * stack.slice_step_mm > LONGEST_STACK_MM:
        raise InputError(
            source,
            f"is {slices * stack.slice_step_mm:.0f} mm long ({slices} slices)",
            "check the order of its axes and its slice step",
            code="geometry",
        )


def _at_moments(voxels: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """(x, y, z, moments): linear between frames. The first frame follows the last."""
    before = np.floor(moments).astype(int)
    share = (moments - before).astype(np.float32)
    if not share.any():
        return voxels[..., before]
    return voxels[..., before] * (1 - share) + voxels[..., (before + 1) % voxels.shape[3]] * share


def _grid(
    chosen: CineStack,
    labels: np.ndarray | None,
    motion: Callable[[], tuple[np.ndarray, bool]],
    geometry: GridGeometry,
    notes: tuple[str, ...],
    source: str,
) -> HeartGrid:
    """The grid of the chosen frames. Its centre is that of the labels at ED, else of what moves."""
    through = chosen.slice_axis
    axes, axis_notes = stack_axes(chosen)
    notes = (*notes, *axis_notes)
    if _is_on_grid(chosen, axes, geometry):
        voxels = chosen.voxels.transpose(2, 3, 1, 0).astype(np.float32)
        maps = None if labels is None else labels.transpose(2, 3, 1, 0)
        notes = (*notes, "was on the grid already")
        return HeartGrid(voxels, voxels.any(axis=(2, 3)), maps, chosen.affine, geometry, notes)
    centre, how = _centre(None if labels is None else labels[..., 0], motion, through)
    affine = _grid_affine(chosen, through, axes, centre, geometry)
    sampling = _Sampling(chosen, through, affine, geometry)
    voxels = np.stack([sampling.image(frame) for frame in np.moveaxis(chosen.voxels, 3, 0)], axis=1)
    voxels = _windowed(voxels, sampling.inside, source)
    maps = None
    if labels is not None:
        maps = np.stack([sampling.labels(frame) for frame in np.moveaxis(labels, 3, 0)], axis=1)
    return HeartGrid(voxels, voxels.any(axis=(2, 3)), maps, affine, geometry, (*notes, how))


def stack_axes(stack: CineStack) -> tuple[np.ndarray, tuple[str, ...]]:
    """(3, 3) the canonical axes x, y, s of a stack as unit columns in RAS, and notes in words."""
    first, second = (stack.affine[:3, axis] for axis in stack.in_plane_axes)
    return _canonical_axes(np.cross(first, second))


def _canonical_axes(normal: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """(3, 3) unit columns x, y, s in RAS, from a slice normal of either sign and any length; notes in words."""
    normal = normal / np.linalg.norm(normal)
    notes = []
    towards_apex = float(normal @ TOWARDS_APEX) / np.sqrt(3)
    if abs(towards_apex) < ILL_DEFINED:
        notes.append("the slices lie along the usual long axis: which end is the apex is a guess")
    normal = normal if towards_apex > 0 else -normal
    x = LEFT - (LEFT @ normal) * normal
    if np.linalg.norm(x) < ILL_DEFINED:
        notes.append("sagittal slices: columns run towards posterior, not left")
        x = POSTERIOR - (POSTERIOR @ normal) * normal
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(x, normal), normal], axis=1), tuple(notes)


def _is_on_grid(stack: CineStack, axes: np.ndarray, geometry: GridGeometry) -> bool:
    """Whether `to_cine` wrote this. Resampling, centring or windowing it again could only harm it."""
    same_shape = stack.voxels.shape == geometry.shape[::-1][:2] + geometry.shape[:2]
    steps = np.array([geometry.pixel_mm, geometry.pixel_mm, stack.spacing_mm[2]])
    return bool(
        same_shape
        and stack.voxels.dtype.kind == "f"
        and abs(stack.spacing_mm[2] / geometry.slice_step_mm - 1) <= SNAP_TOLERANCE
        and same_affine(stack.affine[:3, :3], axes * steps)
        and stack.voxels.min() >= 0
        and stack.voxels.max() <= 1
    )


def _affine_about(centre: np.ndarray, axes: np.ndarray, geometry: GridGeometry, step_mm: float) -> np.ndarray:
    """(4, 4) of the grid centred on a point; rounded to float32, which is what a NIfTI file can hold."""
    affine = np.eye(4)
    affine[:3, :3] = axes * [geometry.pixel_mm, geometry.pixel_mm, step_mm]
    middle = (np.array([geometry.width, geometry.height, geometry.slices]) - 1) / 2
    affine[:3, 3] = centre - affine[:3, :3] @ middle
    return affine.astype(np.float32).astype(float)


def _grid_affine(
    stack: CineStack, through: int, axes: np.ndarray, centre: np.ndarray, geometry: GridGeometry
) -> np.ndarray:
    """(4, 4) of the grid about a voxel index (3,). Where the steps agree, its slices are the acquisition's own."""
    towards_apex = float(stack.affine[:3, through] @ axes[:, 2])
    step_mm = geometry.slice_step_mm
    if abs(abs(towards_apex) / step_mm - 1) <= SNAP_TOLERANCE:
        step_mm = abs(towards_apex)
        last = stack.voxels.shape[through] - 1
        half = (geometry.slices - 1) / 2
        from_base = centre[through] if towards_apex > 0 else last - centre[through]
        from_base = np.floor(from_base - half + 0.5 - TIE) + half  # a tie goes to the base, in every file
        centre = centre.copy()
        centre[through] = from_base if towards_apex > 0 else last - from_base
    return _affine_about(stack.affine[:3, :3] @ centre + stack.affine[:3, 3], axes, geometry, step_mm)


def _centre(
    labels_ed: np.ndarray | None, motion: Callable[[], tuple[np.ndarray, bool]], through: int
) -> tuple[np.ndarray, str]:
    """Voxel index (3,) of the heart's centre, and in words what it was taken from."""
    if labels_ed is not None and labels_ed.any():
        return _middle(labels_ed > 0, through), "centred on the label map at ED"
    centre, moves = motion()
    return (
        centre,
        "its middle from where the film moves" if moves else "its middle from that of the picture, for nothing moves",
    )


def _middle(heart: np.ndarray, through: int) -> np.ndarray:
    """Voxel index (3,) of a heart (x, y, z) bool: its centroid within the slices, its extent's middle across them."""
    profiles = [heart.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    middle = np.array([profile @ np.arange(len(profile)) / profile.sum() for profile in profiles])
    extent = np.flatnonzero(profiles[through] >= min(FEWEST_PIXELS, profiles[through].max()))
    middle[through] = (extent[0] + extent[-1]) / 2
    return middle


def _motion_centre(cine: CineStack) -> tuple[np.ndarray, bool]:
    """Voxel index (3,) of the middle of what moves, and True; the image's centre and False where nothing moves.

    It is the largest connected part of high standard deviation over time. Each slice is held against its own largest
    value, because the base would outshine the apex.
    """
    through, moving = cine.slice_axis, cine.voxels[..., :: max(1, cine.voxels.shape[3] // MOTION_FRAMES)]
    variation = np.empty(moving.shape[:3], np.float32, order="F")
    for row in range(moving.shape[1]):  # a row at a time stays in the cache: a third of the time of one std()
        frames = moving[:, row].astype(np.result_type(moving, np.float32))  # (x, z, t)
        frames -= frames.mean(axis=2, dtype=np.float32, keepdims=True)
        variation[:, row] = np.sqrt(np.square(frames, out=frames).mean(axis=2, dtype=np.float32))
    sigma = [0 if axis == through else MOTION_SMOOTHING_MM / cine.spacing_mm[axis] for axis in range(3)]
    variation = scipy.ndimage.gaussian_filter(variation, sigma, truncate=2.5)
    largest = variation.max(axis=tuple(axis for axis in range(3) if axis != through), keepdims=True)
    heart = variation > MOTION_THRESHOLD * np.maximum(largest, STILL_SLICE * largest.max())
    parts, count = scipy.ndimage.label(heart.T, np.ones((3, 3, 3)))  # as it lies in memory: half the time
    if not count:
        return (np.array(moving.shape[:3]) - 1) / 2, False
    most = 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return _middle(parts.transpose() == most, through), True


class _Sampling:
    """Reads volumes (x, y, z) of one acquisition at the grid's points (slices, height, width)."""

    def __init__(self, stack: CineStack, through: int, affine: np.ndarray, geometry: GridGeometry) -> None:
        to_index = np.linalg.inv(stack.affine) @ affine  # (column, row, slice) -> voxel index
        within = list(stack.in_plane_axes)
        numbers = np.arange(geometry.slices)
        self.through = through
        self.pixel_mm = stack.spacing_mm[within]
        self.shape = (geometry.slices, geometry.height, geometry.width)
        self.level = to_index[through, 2] * numbers + to_index[through, 3]  # grid slices are parallel to the file's
        whole = np.abs(self.level - np.round(self.level)) < TIE
        self.level[whole] = np.round(self.level[whole])
        self.matrix = to_index[np.ix_(within, [1, 0])]  # (row, column) -> pixel, less the slice's offset
        self.offsets = np.outer(numbers, to_index[within, 2]) + to_index[within, 3]
        self.inside = self._inside(np.array(stack.voxels.shape)[[through, *within]])
        # Where the grid is coarser, blur to its resolution: widths (FWHM) of one pixel, subtracted in squares.
        pixel = np.full(3, geometry.pixel_mm)
        pixel[through] = np.linalg.norm(affine[:3, 2])
        excess = np.maximum((pixel / stack.spacing_mm) ** 2 - 1, 0)
        self.sigma = np.where(excess > SNAP_TOLERANCE, np.sqrt(excess / (8 * np.log(2))), 0)

    def _inside(self, sizes: np.ndarray) -> np.ndarray:
        """(slices, height, width) bool: at most half a voxel beyond the outermost voxel centres."""
        row, column = np.ogrid[: self.shape[1], : self.shape[2]]
        indices = [self.level[:, None, None]]
        for steps, offset in zip(self.matrix, self.offsets.T, strict=True):
            indices.append(steps[0] * row + steps[1] * column + offset[:, None, None])
        near = (np.abs(i - (n - 1) / 2) <= n / 2 + TIE for i, n in zip(indices, sizes, strict=True))
        return np.logical_and.reduce(np.broadcast_arrays(*near))

    def image(self, volume: np.ndarray) -> np.ndarray:
        """float32, linear, blurred first where the grid is coarser."""
        volume = volume.astype(np.float32)
        if self.sigma.any():
            volume = scipy.ndimage.gaussian_filter(volume, self.sigma, mode="nearest", truncate=3)
        return self._interpolated(np.moveaxis(volume, self.through, 0))

    def labels(self, volume: np.ndarray) -> np.ndarray:
        """uint8; background outside the acquisition.

        The regions are nested (heart > left ventricle > its cavity), so each is one surface to interpolate. A blend of
        regions would only repeat the nearest slice. So between slices the surface is a signed distance (shape-based
        interpolation, Raya and Udupa 1990).
        """
        slices = np.moveaxis(volume, self.through, 0)
        between = not np.array_equal(self.level, np.round(self.level))
        labels = np.zeros(self.shape, np.uint8)
        for outermost, region in NESTED:
            shape = np.isin(slices, region)
            surface = self._interpolated(_signed_distance(shape, self.pixel_mm) if between else shape - np.float32(0.5))
            labels[surface > -TIE] = outermost  # a tie belongs to the heart, in every file
        return labels * self.inside

    def _interpolated(self, slices: np.ndarray) -> np.ndarray:
        """float32 from (slice, pixel, pixel), linear; outside, the border's value."""
        level = np.clip(self.level, 0, len(slices) - 1)
        below = np.floor(level).astype(int)
        planes = np.empty(self.shape, np.float32)
        for plane, low, share, offset in zip(planes, below, level - below, self.offsets, strict=True):
            source = slices[low] if share == 0 else (1 - share) * slices[low] + share * slices[low + 1]
            scipy.ndimage.affine_transform(source, self.matrix, offset, plane.shape, plane, order=1, mode="nearest")
        return planes


def _signed_distance(shapes: np.ndarray, pixel_mm: np.ndarray) -> np.ndarray:
    """float32 mm to the shape's edge in its slice, positive inside, to FARTHEST_MM; of (slice, pixel, pixel) bool."""
    distance = np.full(shapes.shape, -FARTHEST_MM, np.float32)
    margin = 1 + int(FARTHEST_MM / pixel_mm.min())
    for shape, out in zip(shapes, distance, strict=True):
        if not shape.any():
            continue
        sides = [np.flatnonzero(shape.any(axis=1 - axis)) for axis in range(2)]
        near = tuple(slice(max(0, side[0] - margin), side[-1] + margin + 1) for side in sides)
        within = scipy.ndimage.distance_transform_edt(np.pad(shape[near], 1), pixel_mm)[1:-1, 1:-1]
        out[near] = within - scipy.ndimage.distance_transform_edt(~shape[near], pixel_mm)
    return np.clip(distance, -FARTHEST_MM, FARTHEST_MM)


def _windowed(voxels: np.ndarray, inside: np.ndarray, source: str) -> np.ndarray:
    """(slices, phases, height, width) in [0, 1]: percentiles 1 to 99 of what was acquired, 0 outside of it."""
    inside = np.broadcast_to(inside[:, None], voxels.shape)
    low, high = np.percentile(voxels[inside], WINDOW_PERCENT) if inside.any() else (0, 0)
    if not high > low:
        raise InputError(source, "has no contrast near the heart", "check the images and their affine", code="contrast")
    return np.where(inside, np.clip((voxels - low) / (high - low), 0, 1), 0).astype(np.float32)
