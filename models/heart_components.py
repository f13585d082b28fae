"""What the components of a heart code mean: the directions in which whole hearts differ most."""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor


class HeartComponents(ModelMixin, ConfigMixin):
    """Principal components of whole hearts, of one autoencoder and one grid.

    They are measured, not trained. A training that goes on from a pipeline needs them: without them the components of
    its heart codes would be other directions.

    Args:
        count: of components. cells: numbers of a whole heart: slices, phases, channels, height and width of latents.
    """

    @register_to_config
    def __init__(self, count: int, cells: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(math.prod(cells)))
        self.register_buffer("axes", torch.zeros(count, math.prod(cells)))
        self.register_buffer("scale", torch.zeros(count))

    def scores(self, hearts: Tensor) -> Tensor:
        """Hearts (n, cells), weighted as the axes' own and NaN where nothing was acquired -> (n, count)."""
        known = torch.where(hearts.isnan(), 0.0, hearts - self.mean)
        return (known @ self.axes.T) * self.scale
