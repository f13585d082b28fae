"""A small network that finds the left and right ventricle on a slice, so that hearts can be measured."""

from diffusers import ConfigMixin, ModelMixin, UNet2DModel
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Tensor

from models.confidence import calibrated, expected_dice, expected_dice_of_heart

CLASSES = 4  # of cohort.cine.Label


class Segmenter(ModelMixin, ConfigMixin):
    """A stock convolutional UNet on 2 x 2 unshuffled pixels: slices -> logits of background, LV, wall, RV.

    Args:
        widths: channels of each level. unshuffle: pixels of a side that are folded into one.
        trained_on: whose label maps taught it, "simulated" or "real" people's; None if nobody knows.
        dice_expected, dice_found: the rising curve by which `confidence` tells the Dice of hearts of an unseen kind.
    """

    @register_to_config
    def __init__(
        self,
        widths: tuple[int, ...] = (16, 32, 64),
        unshuffle: int = 2,
        trained_on: str | None = None,
        dice_expected: tuple[float, ...] | None = None,
        dice_found: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.unet = UNet2DModel(
            in_channels=unshuffle**2,
            out_channels=CLASSES * unshuffle**2,
            block_out_channels=widths,
            down_block_types=("DownBlock2D",) * len(widths),
            up_block_types=("UpBlock2D",) * len(widths),
            layers_per_block=1,
            norm_num_groups=8,
            add_attention=False,
        )

    def forward(self, slices: Tensor) -> Tensor:
        """(n, 1, height, width) in [0, 1] -> logits (n, classes, height, width)."""
        return self.logits_and_features(slices)[0]  # (N, 4, H, W)

    def logits_and_features(self, slices: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and what the deepest level sees of each slice: mean over its cells, (n, features)."""
        side = self.config.unshuffle
        deepest: list[Tensor] = []
        hook = self.unet.mid_block.register_forward_hook(lambda _module, _given, output: deepest.append(output))
        try:
            folded = rearrange(2 * slices - 1, "n 1 (h a) (w b) -> n (a b) h w", a=side, b=side)  # (N, a*b, H/a, W/b)
            logits = self.unet(folded, 0).sample  # (N, 4*a*b, H/a, W/b)
        finally:
            hook.remove()
        logits = rearrange(logits, "n (c a b) h w -> n c (h a) (w b)", a=side, b=side)  # (N, 4, H, W)
        return logits, deepest[0].mean(dim=(2, 3))  # (N, 4, H, W), (N, F)

    def confidence(self, logits: Tensor) -> Tensor:
        """(n,) in [0, 1]: the Dice to expect of each slice's label map, by `models.confidence`; 0 where no heart is.

        Args:
            logits: (n, classes, height, width) of this network.
        """
        return self._found(expected_dice(logits))

    def confidence_of_heart(self, logits: Tensor) -> float:
        """The Dice to expect of a heart's label map, of all its slices together; 0 where no heart is.

        Args:
            logits: (n, classes, height, width) of the slices of one heart at one moment, or at more.
        """
        return float(self._found(expected_dice_of_heart(logits)[None])[0])

    def _found(self, expected: Tensor) -> Tensor:
        return calibrated(expected, self.config.dice_expected, self.config.dice_found)

    @property
    def features(self) -> int:
        """Length of a slice's feature vector."""
        return self.config.widths[-1]
