"""Who started this process, and whether they are still there.

Import it before torch: a launcher that ends while a script still imports torch would be missed otherwise.
"""

import os

PARENT = os.getppid()  # the launcher, where there is one
LAUNCHED = bool({"TORCHELASTIC_RUN_ID", "ACCELERATE_DYNAMO_BACKEND"} & os.environ.keys())  # torchrun's, accelerate's


def is_gone() -> bool:
    """Whether a launcher started this process and has ended since."""
    return LAUNCHED and os.getppid() != PARENT
