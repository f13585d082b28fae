"""What a training consists of between two steps: weights, their average, the optimiser, the scaler."""

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from cohort.errors import InputError

from .checkpoint import Tensors, bytes_of
from .run import Run

PENDING_EVALUATION = {"pending": {"evaluation": torch.tensor(True)}}  # of a step that is still to be evaluated


def checkpoint_bytes(module: nn.Module) -> int:
    """Bytes of its checkpoint on the disk: weights, their average, and AdamW's two moments."""
    return bytes_of({"module": module.state_dict()}) + 3 * sum(p.nbytes for p in module.parameters())


def state_of(module: nn.Module, ema: EMAModel, optimizer, accelerator: Accelerator) -> dict[str, Tensors]:
    """Everything a run needs to go on, as tensors by name."""
    state = {
        f"{index}.{name}": value
        for index, slot in optimizer.state_dict()["state"].items()
        for name, value in slot.items()
    }
    shadow = {str(i): p for i, p in enumerate(ema.shadow_params)}
    parts = {
        "module": dict(module.state_dict()),
        "ema": {**shadow, "optimization_step": torch.tensor(ema.optimization_step)},
        "optimizer": state,
    }
    if accelerator.scaler is not None:  # of fp16: how far losses are scaled up now
        parts["scaler"] = {name: torch.tensor(value) for name, value in accelerator.scaler.state_dict().items()}
    return parts


def restored(run: Run, module: nn.Module, ema: EMAModel, optimizer, accelerator: Accelerator) -> tuple[int, bool]:
    """Restore the newest checkpoint, if there is one.

    Returns:
        the step to go on with, and whether the one before is still to be evaluated.

    Raises:
        InputError: the checkpoint is of another network.
    """
    checkpoint = run.load()
    if checkpoint is None:
        return 0, False
    step, parts = checkpoint
    try:
        module.load_state_dict(parts["module"])
    except RuntimeError:
        fault, remedy = "its checkpoint is of another network", "choose another --output, or delete that folder"
        raise InputError(run.folder, fault, remedy) from None
    average = parts["ema"]
    ema.optimization_step = int(average.pop("optimization_step"))
    ema.shadow_params = [average[str(i)] for i in range(len(average))]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimizer"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    if accelerator.scaler is not None:
        accelerator.scaler.load_state_dict({name: value.item() for name, value in parts["scaler"].items()})
    return step, PENDING_EVALUATION.keys() <= parts.keys()
