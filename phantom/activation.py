"""When each piece of the ventricular walls is excited, and for how long. The ECG and the motion both follow from it.

Durrer et al., "Total excitation of the isolated human heart", Circulation 41:899, 1970. The left ventricle starts at
the septum, on the anterior wall beside it and on the posterior wall beside it. The right ventricle starts 5-10 ms
later. The base of the left ventricle comes last. The left sites were searched for within that description, until the
drawn normals had the amplitudes of normal ECGs. The right ventricle's early site came out of that search alone, at the
base of its inferior wall. Durrer's lies elsewhere, where the right bundle reaches the free wall.
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
LV_SITES = ((118.0, 0.10, 0.0), (123.0, 0.43, 8.0), (-122.0, 0.46, 17.0))
RV_SITE = (258.0, 0.05, 10.5)
# How far into the wall the fast layer of Purkinje fibres reaches: a quarter of the left, most of the thin right one.
LEFT_LAYER, FAST_LAYER_MM = 0.25, 2.5
# The network thins out towards the base, most of all at the side, which is excited last (Durrer 1970). It does so
# above this level, about this angle, and opposite to it less by this share.
BASE_LEVEL, THIN_DEG, THIN_SIDE = 0.52, 4.0, 0.34
# Without its Purkinje network a ventricle conducts along its muscle fibres only (Durrer 1970: 0.6-0.9 mm/ms). Where
# that network is thin no longer matters then.
MUSCLE_SPEED_MM_MS = 0.65
FULL_BLOCK_MS = 40.0  # a delay this long leaves a ventricle to its muscle; a shorter one is an incomplete block
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

    The action potentials belong to the tissue, not to the beat. They are shorter at the epicardium and towards the
    apex. Mostly they are shorter, too, where the heart WITH both bundles is activated late. Hence T is upright in
    health and discordant in bundle branch block.
    """
    tissue = excitable_tissue(wall_lattice(heart, LATTICE_STEP_MM), heart.rv_wall_mm, heart.scar_depth)
    healthy = _conducted_activation(heart, tissue, lv_delay_ms=0.0, rv_delay_ms=0.0)
    blocked = heart.lv_delay_ms > 0 or heart.rv_delay_ms > 0
    activation = _conducted_activation(heart, tissue, heart.lv_delay_ms, heart.rv_delay_ms) if blocked else healthy
    return Excitation(tissue, activation, _apd_ms(heart, tissue, healthy, activation))


def _apd_ms(heart: Heart, tissue: "ExcitableTissue", healthy: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """(N,) ms. Franz et al., Circulation 75:379, 1987: the later a place is excited, the sooner it recovers."""
    across = heart.apd_transmural_ms * np.where(tissue.ventricle == 2, heart.rv_wall_mm / LV_WALL_MM, 1.0)
    along = heart.apd_apicobasal_ms * (tissue.level - tissue.level.mean())
    lateral = tissue.position_mm[:, 0] / 30.0
    sideways = heart.apd_sideways_ms * np.clip(lateral - lateral.mean(), -2, 2)
    remembered = (1 - CARDIAC_MEMORY) * (healthy - healthy.mean()) + CARDIAC_MEMORY * (activation - activation.mean())
    return heart.apd_ms - across * tissue.depth - along - sideways - heart.apd_per_activation * remembered


@dataclass(frozen=True)
class ExcitableTissue:
    """The excitable part of a wall lattice, as N cells.

    Attributes:
        cell: (nx, ny, nz) int, the number of the cell, -1 where nothing is excitable.
        ventricle: (N,) 1 left with the septum, 2 right. septum: (N,) bool. depth: (N,) 0 endocardium to 1 epicardium.
        position_mm: (N, 3) heart coordinates u, v, w. level: (N,) 0 at the base of the LV to 1 at its apex.
        body_mm: (N, 3) the same places in the body frame.
        faces: for the body axes x, y, z: (first cell, second cell, conducting area in mm2) of cells that share a face.
        links: pairs of cells that touch by face, edge or corner: (first, second, step), a row of `link_steps`.
        link_steps: (13, 3) from the first cell of a link to the second, heart axes, mm.
        rv_wall_mm: thickness of the right ventricle's wall.
    """

    cell: np.ndarray
    ventricle: np.ndarray
    septum: np.ndarray
    depth: np.ndarray
    position_mm: np.ndarray
    level: np.ndarray
    body_mm: np.ndarray
    faces: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
    links: tuple[np.ndarray, np.ndarray, np.ndarray]
    link_steps: np.ndarray
    rv_wall_mm: float


def excitable_tissue(lattice: WallLattice, rv_wall_mm: float, scar_depth: float = 1.0) -> ExcitableTissue:
    """Number the cells that conduct and list which of them touch.

    Args:
        scar_depth: share of the wall, from the endocardium, that a scar has silenced; what lies outside it conducts.
    """
    alive = (lattice.mask > 0) & ~(lattice.scar & (lattice.depth <= scar_depth))
    cell = np.full(alive.shape, -1)
    cell[alive] = np.arange(np.count_nonzero(alive))
    position = lattice.heart_coordinates[alive].astype(float)
    steps, first, second, step = _links(cell)
    left = lattice.mask[alive] == 1
    base, apex = position[left, 2].min(), position[left, 2].max()
    return ExcitableTissue(
        cell=cell,
        ventricle=lattice.mask[alive],
        septum=lattice.septum[alive],
        depth=lattice.depth[alive].astype(float),
        position_mm=position,
        level=(position[:, 2] - base) / (apex - base),
        body_mm=np.argwhere(alive) * lattice.step_mm + lattice.origin_mm,
        faces=_faces(cell, lattice.fill, lattice.step_mm),
        links=(first, second, step),
        link_steps=lattice.step_mm * steps @ lattice.axes.T,
        rv_wall_mm=rv_wall_mm,
    )


def _faces(cell: np.ndarray, fill: np.ndarray, step_mm: float) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
    """For each body axis the pairs of cells that share a face; it conducts over the smaller of their fills."""
    faces = []
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        both = (cell[tuple(low)] >= 0) & (cell[tuple(high)] >= 0)
        area = np.minimum(fill[tuple(low)], fill[tuple(high)])[both] * step_mm**2
        faces.append((cell[tuple(low)][both], cell[tuple(high)][both], area.astype(float)))
    return tuple(faces)


def _links(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of touching cells once: 13 of the 26 neighbours, the other 13 being their mirror images.

    Returns the 13 steps (13, 3), and for each pair its two cells and the number of its step.
    """
    flat = np.pad(cell, 1, constant_values=-1)
    strides = np.array([flat.shape[1] * flat.shape[2], flat.shape[2], 1])
    flat = flat.ravel()
    here = np.flatnonzero(flat >= 0)
    steps = np.array([np.array(o) - 1 for o in np.ndindex(3, 3, 3) if o > (1, 1, 1)])
    there = here + (steps @ strides)[:, None]
    kept = flat[there] >= 0
    first = np.broadcast_to(flat[here], there.shape)
    step = np.broadcast_to(np.arange(len(steps))[:, None], there.shape)
    return steps, first[kept], flat[there][kept], step[kept]


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
    basal_slowing: tuple[float, float] = (0.0, 0.0),
    anisotropy: float = 0.0,
) -> np.ndarray:
    """(N,) ms: earliest arrival at each cell from any (cell, start ms) of `sites`, by Dijkstra over touching cells.

    Args:
        endocardial_speed_mm_ms: of the left and of the right ventricle.
        basal_slowing: of the same two, share of that speed that is missing at the base, where Purkinje fibres are few.
        anisotropy: how much faster the front runs round the long axis, as most fibres do, than along it or across.
    """
    speed = _conduction_speed(tissue, endocardial_speed_mm_ms, transmural_speed_mm_ms, basal_slowing)
    first, second, step = tissue.links
    distance = np.linalg.norm(tissue.link_steps, axis=1)
    travel = distance[step] * 0.5 * (1 / speed[first] + 1 / speed[second])
    if anisotropy:
        u, v, _ = tissue.position_mm.T
        across = np.hypot(u, v) + 1e-6
        u_step, v_step = (tissue.link_steps[:, k] / distance for k in range(2))
        along = (u / across)[first] * v_step[step] - (v / across)[first] * u_step[step]
        travel = travel * (1 + anisotropy * (1 / 3 - along**2))
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
    tissue: ExcitableTissue,
    endocardial_speed_mm_ms: tuple[float, float],
    transmural_speed_mm_ms: float,
    basal_slowing: tuple[float, float],
) -> np.ndarray:
    """(N,) mm/ms: the endocardial speed of its ventricle, falling off to the transmural speed with depth."""
    away = np.cos(np.arctan2(tissue.position_mm[:, 1], tissue.position_mm[:, 0]) - np.radians(THIN_DEG))
    thin = (1 - THIN_SIDE * 0.5 * (1 - away)) * np.clip((BASE_LEVEL - tissue.level) / BASE_LEVEL, 0, 1)
    left, right = (
        (speed - transmural_speed_mm_ms) * (1 - slowing * thin)
        for speed, slowing in zip(endocardial_speed_mm_ms, basal_slowing, strict=True)
    )
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
        (nearest_cell(tissue, ventricle, angle + shift_deg, level + shift_level), delay + ms + shift_ms)
        for (ventricle, delay, angle, level, ms), (shift_deg, shift_level, shift_ms) in zip(
            plan, heart.early_site_shift, strict=True
        )
    ]
    blocked = [delay >= FULL_BLOCK_MS for delay in (lv_delay_ms, rv_delay_ms)]
    speeds = tuple(MUSCLE_SPEED_MM_MS if b else heart.endocardial_speed_mm_ms for b in blocked)
    slowing = tuple(0.0 if b else heart.basal_slowing for b in blocked)  # muscle is as fast at the base as elsewhere
    return activation_times(tissue, sites, speeds, heart.transmural_speed_mm_ms, slowing, heart.fibre_anisotropy)
