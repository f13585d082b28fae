"""What a folder of trained weights may hold, looked at before any of it is opened.

Weights come from strangers. Nothing here opens a pickle or imports what a file names, and diffusers is asked for
safetensors only. Still, a folder that carries code, or leads out of itself, is not the one that was saved.
"""

import hashlib
import inspect
import json
import math
from dataclasses import asdict
from pathlib import Path

from cohort.errors import InputError
from cohort.heart_grid import GEOMETRY, GridGeometry
from cohort.leads import LEADS

from .ranges import MOST_REDRAWS, MOST_STEERING, all_within, is_number, sound_count, sound_sampling

KINDS = (".json", ".safetensors", ".md", ".txt", ".csv", ".png", "")  # "": LICENSE
WEIGHTS = "diffusion_pytorch_model.safetensors"  # as diffusers' save_pretrained calls them
SETTINGS = ("geometry", "ecg_limits", "shared_noise", "guidance_scale", "steps")
LATER = {
    "trained_on": None,
    "redraws": 1,
    "steering": 0,
}  # settings that an earlier folder does not name, and what then holds
SIMULATED, REAL = "simulated", "real"  # people: what `trained_on` may say
LARGEST_HEART = 10**8  # voxels; 10 slices of 50 phases of 256 x 256 are a third of it
TRUST = "get the folder again from whoever trained it, or train one"


def require_plain(folder: Path) -> None:
    """Refuse a folder with files that can carry code, shards, or links; hidden names are passed over, and never read.

    A list of shards (`*.index.json`) names further files, which diffusers would open by their ending, pickles included.

    Raises:
        InputError: naming the file.
    """
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink():
            raise InputError(path, "is a link, and may lead anywhere", "copy the files themselves (cp -rL)")
        if path.is_dir():
            continue
        if not path.is_file() or path.suffix.lower() not in KINDS or path.name.endswith(".index.json"):
            raise InputError(path, "has no place in a model's folder and may carry code", f"delete it; better, {TRUST}")


def require_config_of(part: type, folder: Path) -> None:
    """Refuse a config.json of another class, or with keys this class does not know (`auto_map`, quantisation, ...).

    Raises:
        InputError: also where there is no readable config.json, or there are no weights beside it.
    """
    if not (folder / WEIGHTS).is_file():
        raise InputError(folder, f"holds no {WEIGHTS}", TRUST)
    path = folder / "config.json"
    about = _read_table(path)
    known = inspect.signature(part.__init__).parameters
    strange = [key for key in about if not key.startswith("_") and key not in known]
    if about.get("_class_name") != part.__name__:
        raise InputError(path, f"is no configuration of {part.__name__}: it is of another class", TRUST)
    if strange:
        raise InputError(path, f"is no configuration of {part.__name__}: it sets {strange[0]!r}", TRUST)


def require_current_layout(folder: Path) -> None:
    """Refuse a pipeline folder whose denoiser lies in unet/, as it did before it was a model of its own.

    Raises:
        InputError: with the command that converts it.
    """
    if (folder / "unet").is_dir() and not (folder / "denoiser").exists():
        remedy = f"convert it: python -m sampling.convert_layout {folder} NEW_FOLDER"
        raise InputError(folder, "has the layout of an earlier version: its denoiser lies in unet/", remedy)


def read_index(
    folder: Path, own: str, parts: dict[str, type], further: dict[str, type] | None = None
) -> tuple[dict, str, set[str]]:
    """The settings of a pipeline's model_index.json, the name of its scheduler, and the names of its parts.

    Args:
        own: name of the pipeline's class. parts: the class of every part. further: of parts that may be absent. The
            index may name no other.

    Raises:
        InputError: damaged, or it names a class or a module that is not the pipeline's.
    """
    path = folder / "model_index.json"
    about = _read_table(path)
    named = {key: value for key, value in about.items() if isinstance(value, list) and key not in SETTINGS}
    scheduler = named.pop("scheduler", None)
    known = parts | (further or {})
    named = {key: entry for key, entry in named.items() if not (key in (further or {}) and entry == [None, None])}
    foreign = sorted(
        key for key in named.keys() | parts.keys() if key not in known or not _names(named.get(key), known[key])
    )
    if foreign or about.get("_class_name") != own:
        raise InputError(path, f"its entry {foreign[0] if foreign else '_class_name'} is not of a {own}", TRUST)
    if not (isinstance(scheduler, list) and len(scheduler) == 2 and scheduler[0] == "diffusers"):
        raise InputError(path, "names no scheduler of diffusers", TRUST)
    try:
        return _settings(about), str(scheduler[1]), set(named)
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(path, "is damaged: a setting is missing or out of range", TRUST) from error


def configuration_sha256(folder: Path, options: dict) -> str:
    """One hash of what, beside weights and code, decides an output: options, and a pipeline's own configuration.

    That is its index, each part's config.json (measured statistics of latents, people and codes stand there), and the
    calibration of its intervals.

    Args:
        folder: of a pipeline. options: of the run, as JSON can hold them.
    """
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for path in sorted([folder / "model_index.json", folder / "calibration.json", *folder.glob("*/config.json")]):
        if path.exists():
            about = {key: value for key, value in _read_table(path).items() if not key.startswith("_")}
            digest.update(path.relative_to(folder).as_posix().encode() + json.dumps(about, sort_keys=True).encode())
    return digest.hexdigest()


def _names(entry: object, part: type) -> bool:
    """Whether an entry of the index, [module, class], means this class."""
    library = part.__module__.split(".")[0]
    return entry in ([part.__module__, part.__name__], [library, part.__name__])


def _settings(about: dict) -> dict:
    settings = {name: about[name] for name in SETTINGS} | {name: about.get(name, LATER[name]) for name in LATER}
    sound = (
        _sound_geometry(settings["geometry"])
        and _sound_limits(settings["ecg_limits"])
        and all_within([settings["shared_noise"]], 0, 1)
        and sound_sampling(settings["guidance_scale"], settings["steps"])
        and settings["trained_on"] in (SIMULATED, REAL, None)
        and sound_count(settings["redraws"], MOST_REDRAWS)
        and sound_count(settings["steering"], MOST_STEERING)
    )
    if not sound:
        raise ValueError("a setting is out of range")
    return settings


def _sound_geometry(geometry: dict | None) -> bool:
    grid = GridGeometry(**(geometry or {}))
    counts = grid.shape
    return (
        all(all_within([value], *GEOMETRY[name]) for name, value in asdict(grid).items())
        and all(isinstance(count, int) for count in counts)
        and math.prod(counts) <= LARGEST_HEART
    )


def _sound_limits(limits: list | None) -> bool:
    """Per lead the lowest and the highest mV; the highest of a lead that nobody had is infinite."""
    return limits is None or (
        len(limits) == len(LEADS)
        and all(is_number(low) and is_number(high) and 0 <= low <= high and low < math.inf for low, high in limits)
    )


def _read_table(path: Path) -> dict:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"cannot be read ({type(error).__name__})", TRUST) from error
    if not isinstance(about, dict):
        raise InputError(path, "is damaged", TRUST)
    return about
