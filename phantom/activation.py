"""When each piece of the ventricular walls is excited, and for how long. The ECG and the motion both follow from it.

Durrer et al., "Total excitation of the isolated human heart", Circulation 41:899, 1970: the left ventricle starts at
the septum, on the anterior wall beside it and on the posterior wall beside it; the right ventricle 5-10 ms later. The
exact places were searched for within that description, until the drawn normals had normal ECGs and inferior scars
their Q waves.
"""

import functools
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from phantom.anatomy import WallLattice, wall_lattice
from phantom.heart import Heart

LATTICE_STEP_MM = 5.0
RAS_TO_XYZ = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])  # to Dower's axes
# (Angle round the long axis from lateral over anterior, degrees; fraction of the way from base to apex; time, ms.)
LV_SITES = ((143.0, 0.43, 0.0), (100.0, 0.45, 0.0), (-101.0, 0.30, 10.0))
RV_SITE = (169.0, 0.31, 10.5)
# How far into the wall the fast layer of Purkinje fibres reaches: a quarter of the left, most of the thin right one.
LEFT_LAYER, FAST_LAYER_MM = 0.25, 2.5
# Without its Purkinje network a ventricle conducts along its muscle fibres only (Durrer 1970: 0.6-0.9 mm/ms).
MUSCLE_SPEED_MM_MS = 0.65
# Late sites recover early: the slope of APD on activation time (Franz et al., Circulation 75:379, 1987, found -1.3).
APD_PER_ACTIVATION = -1.33
LV_WALL_MM = 10.0  # over which the drawn transmural difference of APD is reached
# How far the action potentials have followed a lasting block (Rosenbaum et al., Am J Cardiol 50:213, 1982).
CARDIAC_MEMORY = 0.5


@dataclass(frozen=True)
class Excitation:
    """The conducted beat. Attributes: activation_ms (N,) of each cell from the onset of the QRS; apd_ms (N,)."""

    tissue: "ExcitableTissue"
    activation_ms: np.ndarray
    apd_ms: np.ndarray


@functools.lru_cache(maxsize=4)
def excitation(heart: Heart) -> Excitation:
    """The conducted beat. Where a bundle is blocked its ventricle starts late and spreads without its Purkinje network.

    The action potentials belong to the tissue, not to the beat: they are shorter at the epicardium and, mostly, where
    the heart WITH both bundles is activated late. Hence T is upright in health and discordant in bundle branch block.
    """
    tissue = excitable_tissue(wall_lattice(heart, LATTICE_STEP_MM), heart.rv_wall_mm)
    healthy = _conducted_activation(heart, tissue, lv_delay_ms=0.0, rv_delay_ms=0.0)
    blocked = heart.lv_delay_ms > 0 or heart.rv_delay_ms > 0
    activation = _conducted_activation(heart, tissue, heart.lv_delay_ms, heart.rv_delay_ms) if blocked else healthy
    shorter = heart.apd_transmural_ms * np.where(tissue.ventricle == 2, heart.rv_wall_mm / LV_WALL_MM, 1.0)
    remembered = (1 - CARDIAC_MEMORY) * (healthy - healthy.mean()) + CARDIAC_MEMORY * (activation - activation.mean())
    apd = heart.apd_ms - shorter * tissue.depth + APD_PER_ACTIVATION * remembered
    return Excitation(tissue, activation, apd)


@dataclass(frozen=True)
class ExcitableTissue:
    """The excitable part of a wall lattice, as N cells.

    Attributes:
        cell: (nx, ny, nz) int, the number of the cell, -1 where nothing is excitable.
        ventricle: (N,) 1 left with the septum, 2 right. septum: (N,) bool. depth: (N,) 0 endocardium to 1 epicardium.
        position_mm: (N, 3) heart coordinates u, v, w.
        face_mm2: (N, 3) net area of a cell's conducting faces, Dower's axes X Y Z.
        links: pairs of cells that touch by face, edge or corner: (first, second, distance_mm).
        rv_wall_mm: thickness of the right ventricle's wall.
    """

    cell: np.ndarray
    ventricle: np.ndarray
    septum: np.ndarray
    depth: np.ndarray
    position_mm: np.ndarray
    face_mm2: np.ndarray
    links: tuple[np.ndarray, np.ndarray, np.ndarray]
    rv_wall_mm: float


def excitable_tissue(lattice: WallLattice, rv_wall_mm: float) -> ExcitableTissue:
    """Number the cells that conduct (a scar does not) and list which of them touch."""
    alive = (lattice.mask > 0) & ~lattice.scar
    cell = np.full(alive.shape, -1)
    cell[alive] = np.arange(np.count_nonzero(alive))
    return ExcitableTissue(
        cell=cell,
        ventricle=lattice.mask[alive],
        septum=lattice.septum[alive],
        depth=lattice.depth[alive].astype(float),
        position_mm=lattice.heart_coordinates[alive].astype(float),
        face_mm2=_net_faces(np.where(alive, lattice.fill, 0.0), lattice.step_mm)[alive] @ RAS_TO_XYZ.T,
        links=_links(cell, lattice.step_mm),
        rv_wall_mm=rv_wall_mm,
    )


def _net_faces(fill: np.ndarray, step_mm: float) -> np.ndarray:
    """g (nx, ny, nz, 3), body axes, such that sum_i Vm_i g_i = -sum over faces of (jump in Vm) x (conducting area).

    The face between two cells conducts over the smaller of their fills; a face to nowhere does not, so that a uniform
    Vm gives no vector. This is the discrete -integral of grad Vm (Gima & Rudy, Circ Res 90:889, 2002, without 1/r).
    """
    net = np.zeros((*fill.shape, 3))
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        face = np.minimum(fill[tuple(low)], fill[tuple(high)]) * step_mm**2
        net[(*low, axis)] += face
        net[(*high, axis)] -= face
    return net


def _links(cell: np.ndarray, step_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of touching cells once: 13 of the 26 neighbours, the other 13 being their mirror images."""
    flat = np.pad(cell, 1, constant_values=-1)
    strides = np.array([flat.shape[1] * flat.shape[2], flat.shape[2], 1])
    flat = flat.ravel()
    here = np.flatnonzero(flat >= 0)
    offsets = [np.array(o) - 1 for o in np.ndindex(3, 3, 3) if o > (1, 1, 1)]
    there = here + np.array([[o @ strides] for o in offsets])
    distance = np.broadcast_to([[step_mm * np.linalg.norm(o)] for o in offsets], there.shape)
    kept = flat[there] >= 0
    first = np.broadcast_to(flat[here], there.shape)
    return first[kept], flat[there][kept], distance[kept]


def nearest_cell(tissue: ExcitableTissue, ventricle: int, angle_deg: float, fraction: float) -> int:
    """The endocardial cell of a ventricle nearest to a direction round the long axis at a fraction of its length."""
    u, v, w = tissue.position_mm.T
    left = tissue.ventricle == 1
    base, apex = w[left].min(), w[left].max()
    candidates = np.flatnonzero(tissue.ventricle == ventricle)
    candidates = candidates[tissue.depth[candidates] <= max(0.4, np.quantile(tissue.depth[candidates], 0.2))]
    direction = np.exp(1j * np.radians(angle_deg))
    off_direction = 25.0 * np.abs(np.exp(1j * np.arctan2(v, u)) - direction)
    off_level = w - (base + fraction * (apex - base))
    return int(candidates[np.argmin(np.hypot(off_direction, off_level)[candidates])])


def activation_times(
    tissue: ExcitableTissue,
    sites: list[tuple[int, float]],
    endocardial_speed_mm_ms: tuple[float, float],
    transmural_speed_mm_ms: float,
) -> np.ndarray:
    """(N,) ms: earliest arrival at each cell from any (cell, start ms) of `sites`, by Dijkstra over touching cells.

    Args:
        endocardial_speed_mm_ms: of the left and of the right ventricle.
    """
    speed = _conduction_speed(tissue, endocardial_speed_mm_ms, transmural_speed_mm_ms)
    first, second, distance = tissue.links
    travel = distance * 0.5 * (1 / speed[first] + 1 / speed[second])
    start = len(
        speed
    )  # one more cell, joined to the sites by their start times; the first of them 1, for 0 means no link
    cells, times = (np.array(x) for x in zip(*sites, strict=True))
    times = times - times.min() + 1.0
    rows = np.concatenate([first, np.full(len(cells), start)])
    graph = coo_array((np.concatenate([travel, times]), (rows, np.concatenate([second, cells]))), (start + 1,) * 2)
    arrival = dijkstra(graph.tocsr(), directed=False, indices=start)[:start]
    return np.where(np.isfinite(arrival), arrival, np.nanmax(arrival[np.isfinite(arrival)])) - arrival.min()


def _conduction_speed(
    tissue: ExcitableTissue, endocardial_speed_mm_ms: tuple[float, float], transmural_speed_mm_ms: float
) -> np.ndarray:
    """(N,) mm/ms: the endocardial speed of its ventricle, falling off to the transmural speed with depth."""
    left, right = (speed - transmural_speed_mm_ms for speed in endocardial_speed_mm_ms)
    from_left = left * np.exp(-((tissue.depth / LEFT_LAYER) ** 2))
    from_right = right * np.exp(-((tissue.depth * tissue.rv_wall_mm / FAST_LAYER_MM) ** 2))
    right_of_septum = right * np.exp(-(((1 - tissue.depth) / LEFT_LAYER) ** 2))
    gain = np.where(
        tissue.septum, np.maximum(from_left, right_of_septum), from_left
    )  # it has an endocardium either side
    return transmural_speed_mm_ms + np.where(tissue.ventricle == 2, from_right, gain)


def _conducted_activation(heart: Heart, tissue: ExcitableTissue, lv_delay_ms: float, rv_delay_ms: float) -> np.ndarray:
    plan = [(1, lv_delay_ms, *site) for site in LV_SITES] + [(2, rv_delay_ms, *RV_SITE)]
    sites = [
        (nearest_cell(tissue, ventricle, angle + shift_deg, level), delay + ms + shift_ms)
        for (ventricle, delay, angle, level, ms), (shift_deg, shift_ms) in zip(
            plan, heart.early_site_shift, strict=True
        )
    ]
    speeds = tuple(
        MUSCLE_SPEED_MM_MS if delay > 0 else heart.endocardial_speed_mm_ms for delay in (lv_delay_ms, rv_delay_ms)
    )
    return activation_times(tissue, sites, speeds, heart.transmural_speed_mm_ms)
