"""torch's compiler, left out where nothing is compiled: importing it takes as long as importing torch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

COMPILER = "torch._dynamo"


@contextmanager
def without_compiler() -> Iterator[None]:
    """Import diffusers and load models inside this, and torch's compiler is not imported.

    diffusers imports it only to mark its classes (`allow_in_graph`, `disable`) and to ask whether a model was compiled
    (`OptimizedModule`). For that long a stand-in answers; afterwards the compiler can be imported as ever.
    """
    if COMPILER in sys.modules:
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
