"""The Accelerator that every training starts with."""

from collections.abc import Sequence
from datetime import timedelta

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import InitProcessGroupKwargs, ProjectConfiguration

from cohort.errors import InputError
from sampling.threads import share_cores

LONGEST_WAIT = timedelta(days=1)  # one process reads a large cohort for hours, while the others wait


def start_accelerator(log_with: Sequence[str] = ()) -> Accelerator:
    """An Accelerator with these trackers; this process gets its share of the cores.

    Raises:
        InputError: a tracker is not installed.
    """
    known = {str(tracker) for tracker in get_available_trackers()}
    if missing := [name for name in log_with if name not in known]:
        raise InputError(f"--log-with {missing[0]}", "is not installed", f"pip install {missing[0]}")
    accelerator = Accelerator(
        log_with=list(log_with) or None,
        project_config=ProjectConfiguration(project_dir="runs"),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=LONGEST_WAIT)],
    )
    share_cores(accelerator.num_processes)
    return accelerator
