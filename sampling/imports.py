"""Importing diffusers and loading a pipeline in half the time."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

COMPILER = "torch._dynamo"


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import libraries and load models inside this: torch's compiler stays out, and nothing is collected.

    Of four CPU seconds, leaving the interpreter included, importing the compiler takes one and the garbage collector
    nearly two: it looks again and again at a million objects that stay to the end, and at the end at all of them.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        with without_compiler():
            yield
    finally:
        gc.freeze()  # what is here now is not looked at again
        if collected:
            gc.enable()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Keep diffusers from importing torch's compiler, which nothing here uses.

    It wants it only to mark its classes (`allow_in_graph`, `disable`) and to ask whether a model was compiled
    (`OptimizedModule`). For that long a stand-in answers; afterwards the compiler can be imported as ever. One of
    several processes does without: torch.distributed, as it begins, asks the compiler for more than that.
    """
    if COMPILER in sys.modules or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        yield
        return
    sys.modules[COMPILER] = _stand_in()
    try:
        yield
    finally:
        del sys.modules[COMPILER]


def _stand_in() -> ModuleType:
    module = ModuleType(COMPILER)
    module.allow_in_graph = lambda cls: cls
    module.disable = lambda function=None, *_, **__: function or (lambda found: found)
    module.eval_frame = ModuleType(f"{COMPILER}.eval_frame")
    module.eval_frame.OptimizedModule = type("OptimizedModule", (), {})  # nothing is one
    return module
