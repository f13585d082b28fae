"""From a heart's end-diastole and end-systole to any moment of its beat."""

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn
from torch.nn import functional

QUARTERS = {"lateral": 0.0, "anterior": 0.25, "septal": 0.5, "inferior": 0.75}  # of a turn, from the lateral wall up
POSITION_FEATURES = 16
HARMONICS = 6  # of the clock's cycle
CELL_FEATURES = 2  # column and row of a latent cell
NEAR_KEY = 0.04  # of the clock's cycle, a frame of 25: as near as this to ED or ES the correction fades


class HeartMotion(ModelMixin, ConfigMixin):
    """Latents of any frame as a correction of the cross-fade of ED and ES, which is exact at both.

    A slice is seen with its two neighbours. What does not depend on time is worked out once a slice. The motion numbers
    of a heart scale and shift the channels (FiLM, Perez 2018), and those of its quarters lie on the cells besides.

    The volume's curve is that of the heart's motion numbers curve_1, curve_2, ...: share of the stroke volume still
    inside, by place on the beat's clock.

    Args:
        latent_channels: of the autoencoder's latents.
        numbers: names of the motion numbers, in the order in which a heart's are given.
        es_place: of the clock's cycle; ED is 0.
        curve_mean: (points,) share inside, at places spread evenly over the clock's cycle.
        curve_basis: (components, points) what one unit of each of curve_1, ... adds.
        width: channels. blocks: pairs of convolutions a slice, and a frame.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int,
        numbers: tuple[str, ...],
        es_place: float,
        curve_mean: tuple[float, ...],
        curve_basis: tuple[tuple[float, ...], ...],
        width: int = 64,
        blocks: tuple[int, int] = (2, 2),
    ) -> None:
        super().__init__()
        per_slice, per_frame = blocks
        self.of_quarters = [[numbers.index(f"{kind}_{name}") for name in QUARTERS] for kind in quarter_kinds(numbers)]
        about_heart = POSITION_FEATURES + len(numbers)
        about_frame = about_heart + 2 * HARMONICS + 1
        given = 6 * latent_channels + CELL_FEATURES + len(self.of_quarters)
        self.enter = nn.Conv2d(given, width, 3, padding=1)
        self.heart = nn.Sequential(nn.Linear(about_heart, 2 * width), nn.SiLU())
        self.frame = nn.Sequential(
            nn.Linear(about_frame, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * width), nn.SiLU()
        )
        self.of_slice = nn.ModuleList(FilmBlock(width, 2 * width) for _ in range(per_slice))
        self.of_frame = nn.ModuleList(FilmBlock(width, 2 * width) for _ in range(per_frame))
        self.leave = nn.Conv2d(width, latent_channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, keys: Tensor, position_mm: Tensor, place: Tensor, inside: Tensor, numbers: Tensor) -> Tensor:
        """Latents of m frames of n slices.

        Args:
            keys: (n, 3, 2, C, h, w) latents of the slice before, the slice and the one after, at ED and ES.
            position_mm: (n,) of the slice along the long axis. place: (n, m) on the beat's clock, in [0, 1).
            inside: (n, m) share of the stroke volume still inside. numbers: (n, M) in the cohort's SDs, 0 if unknown.

        Returns:
            (n, m, C, h, w).
        """
        ed, es = keys[:, 1, 0], keys[:, 1, 1]  # (n, C, h, w)
        about = torch.cat([_position_features(position_mm), numbers], dim=1)  # (n, A)
        given = [keys.flatten(1, 3), *self._maps(numbers, ed.shape[-2:])]
        features, heart = self.enter(torch.cat(given, dim=1)), self.heart(about)  # (n, W, h, w), (n, 2 W)
        for block in self.of_slice:
            features = block(features, heart)
        n, m = place.shape
        when = torch.cat([_clock_features(place), inside.unsqueeze(-1)], dim=-1)  # (n, m, 2 H + 1)
        frame = self.frame(torch.cat([about.unsqueeze(1).expand(-1, m, -1), when], dim=-1)).flatten(0, 1)  # (n*m, 2 W)
        features = features.repeat_interleave(m, dim=0)  # (n*m, W, h, w)
        for block in self.of_frame:
            features = block(features, frame)
        correction = self.leave(functional.silu(features)).unflatten(0, (n, m))  # (n, m, C, h, w)
        share, between = (value[..., None, None, None] for value in (inside, self._between(place)))
        return share * ed.unsqueeze(1) + (1 - share) * es.unsqueeze(1) + between * correction

    def share_inside(self, scores: Tensor, place: Tensor) -> Tensor:
        """(B, m) share of the stroke volume still inside at places (B, m); scores: (B, components), in their own units.

        It is 1 at ED and 0 at ES, and linear between the points of the curve.
        """
        curves = scores.new_tensor(self.config.curve_mean) + scores @ scores.new_tensor(
            self.config.curve_basis
        )  # (B, P)
        points = curves.shape[1]
        before = (place * points).floor()
        share, before = place * points - before, before.long() % points
        return (1 - share) * curves.gather(1, before) + share * curves.gather(1, (before + 1) % points)

    def scores_of(self, curves: np.ndarray) -> np.ndarray:
        """(n, components) whose curves are nearest to `curves` (n, points), at places spread evenly over the clock."""
        return (curves - np.array(self.config.curve_mean)) @ np.linalg.pinv(np.array(self.config.curve_basis))

    def _between(self, place: Tensor) -> Tensor:
        """(n, m) 0 at ED and at ES, 1 a little away from them."""
        es = self.config.es_place
        return (torch.minimum(torch.minimum(place, 1 - place), (place - es).abs()) / NEAR_KEY).clamp(max=1)

    def _maps(self, numbers: Tensor, size: tuple[int, int]) -> list[Tensor]:
        """What lies on the cells: their column and row, and the numbers of the quarter of the wall they belong to."""
        y, x = torch.meshgrid(*(torch.linspace(-1, 1, side, device=numbers.device) for side in size), indexing="ij")
        turn = torch.atan2(-y, x) / (2 * torch.pi)  # (h, w) from the lateral wall, by the anterior one on top
        away = [(turn - middle + 0.5) % 1 - 0.5 for middle in QUARTERS.values()]
        weights = torch.stack([(1 - 4 * one.abs()).clamp(min=0) for one in away])  # (4, h, w), their sum is 1
        cells = torch.stack([x, y]).to(numbers).expand(len(numbers), -1, -1, -1)
        quarters = [torch.einsum("nq,qhw->nhw", numbers[:, which], weights.to(numbers)) for which in self.of_quarters]
        return [cells, *(one.unsqueeze(1) for one in quarters)]


class FilmBlock(nn.Module):
    """Two convolutions whose channels are scaled and shifted by what is known of heart and moment."""

    def __init__(self, width: int, given: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(given, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor, given: Tensor) -> Tensor:
        """features: (n, width, h, w). given: (n, given). Returns what `features` is."""
        scale, shift = self.film(given)[..., None, None].chunk(2, dim=1)  # (n, width, 1, 1) each
        hidden = self.first(functional.silu(self.norm(features)))
        return features + self.second(functional.silu(hidden * (1 + scale) + shift))


def quarter_kinds(numbers: tuple[str, ...]) -> tuple[str, ...]:
    """What is known of each quarter of the wall, by the names of the motion numbers: "thickening", "peak"."""
    first = next(iter(QUARTERS))
    return tuple(name.removesuffix(f"_{first}") for name in numbers if name.endswith(f"_{first}"))


def with_neighbours(latents: Tensor) -> Tensor:
    """(B, S, 2, C, h, w) of ED and ES -> (B, S, 3, 2, C, h, w): the outermost slices are their own neighbours."""
    before = torch.cat([latents[:, :1], latents[:, :-1]], dim=1)
    after = torch.cat([latents[:, 1:], latents[:, -1:]], dim=1)
    return torch.stack([before, latents, after], dim=2)


def _position_features(position_mm: Tensor) -> Tensor:
    """(n, POSITION_FEATURES)."""
    return get_timestep_embedding(position_mm / 10, POSITION_FEATURES, downscale_freq_shift=0, max_period=100)


def _clock_features(place: Tensor) -> Tensor:
    """(n, m, 2 HARMONICS): the same a cycle later."""
    angle = 2 * torch.pi * place.unsqueeze(-1) * torch.arange(1, HARMONICS + 1, device=place.device)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
