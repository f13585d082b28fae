"""A page on which to drop an ECG and see the heart: http://127.0.0.1:7860 in a browser of this machine.

    make app
    python app.py

Nothing is sent anywhere. What is dropped is deleted when its page is closed. It needs requirements-app.txt.
"""

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of
from showing.options import ShowOptions


@dataclass(frozen=True)
class Options(ShowOptions):
    """Draw hearts in a browser."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    options.require_sound()
    if importlib.util.find_spec("gradio") is None:
        raise InputError(
            "gradio", "is not installed", "make app-install, or pip install --no-deps -r requirements-app.txt"
        )
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    from sampling.imports import lean_imports
    from showing.temporary_folder import temporary_folder

    with temporary_folder() as uploads:
        with lean_imports():
            from sampling.options import SampleOptions
            from sampling.release import chosen_pipeline
            from sampling.threads import started_state
            from showing.artist import Artist
            from showing.serving import serve

            state = started_state()
            folder, why = chosen_pipeline(options.pipeline, Path("runs"))
            hearts = SampleOptions(ecg=None, samples=options.samples, frames=options.frames, exclude=options.exclude)
            artist = Artist.of(hearts, folder, state.device)
        print(f"pipeline: {folder} ({why}) on {state.device}")
        serve(artist, options, uploads)


if __name__ == "__main__":
    sys.exit(exit_code_of(main, "nothing that was dropped is left on the disk"))
