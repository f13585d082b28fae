"""Nothing that is not finite is saved: losses are watched on the device, weights are checked before they are saved."""

from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from cohort.errors import InputError

from .checkpoint import Tensors


class LossWatch:
    """The first micro-step whose loss is not finite. It is noted on the device, so that no step waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), -1, device=device)

    def see(self, loss: Tensor, micro: int) -> None:
        self._first = torch.where(loss.detach().isfinite() | (self._first >= 0), self._first, micro)

    def first(self) -> int | None:
        """The micro-step, or None if all were finite; waits for the device."""
        micro = int(self._first)
        return None if micro < 0 else micro

    def require_finite(
        self,
        parts: dict[str, Tensors],
        done: int,
        accelerator: Accelerator,
        people_of: Callable[[int], object] | None = None,
    ) -> None:
        """Stop before anything that is not finite is saved.

        Weights are the same on every process, so all stop together. Losses differ: each process names its own bad one.

        Args:
            parts: of the next checkpoint. done: number of steps done.
            people_of: micro-step -> rows that were learned from.

        Raises:
            InputError: a loss or a weight is not finite.
        """
        micro = self.first()
        floats = [v.detach() for tensors in parts.values() for v in tensors.values() if v.is_floating_point()]
        if micro is not None:
            step = micro // accelerator.gradient_accumulation_steps + 1
            fault = f"the loss is not finite at step {step}, process {accelerator.process_index}"
            if people_of:
                fault += f", of the people in rows {people_of(micro)} of the prepared cohort"
        elif not nn.utils.get_total_norm(floats).isfinite():
            fault = f"a weight is not finite at step {done} (where a loss was not, its process says so)"
        else:
            return
        remedy = "check the data, or delete the run's folder and choose a lower --learning-rate"
        raise InputError("training", fault, remedy)
