"""A training that begins with a trained pipeline: which of its weights are taken, and in which place."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor, nn

from cohort.heart_grid import GridGeometry
from cohort.leakage import BEGAN_WITH, read_training
from cohort.simulated import VERSION_TAUGHT
from models.autoencoder import SliceAutoencoder
from models.code_regressor import CodeRegressor
from models.conditioning import PERSON_FIELDS, HeartConditioner
from models.denoiser import PHASE_FEATURES, POSITION_FEATURES, HeartDenoiser
from models.ecg_encoder import ECGEncoder
from models.heart_components import HeartComponents
from models.heart_motion import HeartMotion
from models.heart_prior import HeartPrior
from models.presets import PRESETS
from models.segmenter import Segmenter
from sampling.model_folder import REAL
from sampling.pipeline import ECGToMRIPipeline, load_part, weights_sha256

from .ceiling import CEILING_PARTS
from .latents import autoencoder_fingerprint
from .taken import Named, Taken, take

BESIDE = ("ceiling", "components")  # of a pipeline's folder: what a training begins with too


@dataclass(frozen=True, eq=False)
class Start:
    """A trained pipeline that a training begins with.

    Attributes:
        regressor: its ECG encoder and conditioner. ceiling: that of its folder, else the regressor.
        segmenter, components: those of its folder, None where it holds none.
        about: its training.json, {} where there is none.
        weights_sha256: as its card says. sha256: of all weights and numbers that a training begins with.
    """

    pipeline: ECGToMRIPipeline
    ceiling: CodeRegressor
    segmenter: Segmenter | None
    components: HeartComponents | None
    about: dict
    weights_sha256: str
    sha256: str

    @property
    def regressor(self) -> CodeRegressor:
        return CodeRegressor(self.pipeline.ecg_encoder, self.pipeline.conditioner)

    @property
    def preset(self) -> str | None:
        """The preset of its sizes; None of other sizes."""
        encoder, denoiser = self.pipeline.ecg_encoder.config, self.pipeline.denoiser.config
        ours = (encoder.width, encoder.layers, tuple(denoiser.widths), denoiser.layers)
        sizes = {
            name: (p.ecg_width, p.ecg_layers, tuple(p.denoiser_widths), p.denoiser_layers)
            for name, p in PRESETS.items()
        }
        return next((name for name, size in sizes.items() if size == ours), None)

    @cached_property
    def autoencoder_fingerprint(self) -> str:
        return autoencoder_fingerprint(self.pipeline.autoencoder)

    def same_latents(self, autoencoder: SliceAutoencoder) -> bool:
        """Whether this autoencoder's latents are those that the pipeline knows."""
        return autoencoder_fingerprint(autoencoder) == self.autoencoder_fingerprint

    def same_components(self, autoencoder: SliceAutoencoder, geometry: GridGeometry) -> HeartComponents | None:
        """What its components mean, where they mean the same of these hearts; else None."""
        same = self.same_latents(autoencoder) and geometry == self.pipeline.grid
        return self.components if same else None

    def taught_by(self, whose: str) -> str | None:
        """Of a pipeline that begins with this one and learns from "real" or "simulated" people.

        Weights keep traces of all who taught them. So they are real people's where anyone was real.
        """
        return REAL if REAL in (whose, self.pipeline.config.trained_on) else self.pipeline.config.trained_on

    @property
    def record(self) -> dict:
        """For the training.json of a pipeline that begins with this one: who had taught already."""
        kept = ("cohort", "recordings_sha256", VERSION_TAUGHT, "taught", BEGAN_WITH)
        told = {name: self.about[name] for name in kept if name in self.about}
        return {"weights_sha256": self.weights_sha256, "trained_on": self.pipeline.config.trained_on, **told}

    @property
    def said(self) -> str:
        """For a model card: which pipeline it is, and who had taught it."""
        whose = self.pipeline.config.trained_on
        people = f"{whose} people" if whose else "nobody knows whom"
        return f"the pipeline whose weights have sha256 {self.weights_sha256}, taught by {people}"


def opened_start(folder: Path | None) -> Start | None:
    """The pipeline of a folder, full or released, to begin with; None of None.

    Raises:
        InputError: it is no trained pipeline, or a part of it is missing or damaged.
    """
    if folder is None:
        return None
    pipeline = ECGToMRIPipeline.load(folder)
    ceiling, segmenter, components = (folder / name for name in ("ceiling", "segmenter", "components"))
    kinds = dict(zip(CEILING_PARTS, (ECGEncoder, HeartConditioner), strict=True))
    parts = {name: load_part(kind, ceiling / name) for name, kind in kinds.items()} if ceiling.exists() else {}
    return Start(
        pipeline,
        CodeRegressor(**parts) if parts else CodeRegressor(pipeline.ecg_encoder, pipeline.conditioner),
        load_part(Segmenter, segmenter) if segmenter.exists() else None,
        load_part(HeartComponents, components) if components.exists() else None,
        read_training(folder),
        weights_sha256(folder),
        start_sha256(folder),
    )


def start_sha256(folder: Path) -> str:
    """One hash of the weights and configurations that a training begins with; neither place nor card changes it."""
    digest = hashlib.sha256(weights_sha256(folder).encode())
    beside = (path for name in BESIDE for path in (folder / name).rglob("*.safetensors"))
    for path in sorted([*beside, *folder.rglob("config.json")]):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


# ---- Which weight goes where ----


def numbers_of(
    conditioner: HeartConditioner, taught: HeartConditioner, same_components: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the numbers of two heart codes, the fresh and the trained one's; components agree only if they do."""
    whose = "its" if same_components else "another's"
    return code_names(conditioner, "its"), code_names(taught, whose)


def code_names(conditioner: HeartConditioner, whose: str) -> tuple[str, ...]:
    """Of the numbers of its heart code, in their order."""
    about = conditioner.config
    return (*about.phenotypes, *(f"{whose} component {k}" for k in range(about.components)), *about.motion)


def field_names(conditioner: HeartConditioner) -> tuple[str, ...]:
    """Of what it is told of the person."""
    return (*PERSON_FIELDS, *conditioner.config.further_fields)


def keep_statistics(conditioner: HeartConditioner, taught: HeartConditioner) -> None:
    """Standardise by the statistics of a trained conditioner, where it knows the number.

    Its weights mean numbers in its own cohort's SDs. In the new cohort's they would be told of other hearts.
    """
    ours, theirs = statistics_of(conditioner), statistics_of(taught)
    kept = {
        key: tuple(theirs[key].get(name, value) for name, value in numbers.items()) for key, numbers in ours.items()
    }
    conditioner.register_to_config(**kept)


def statistics_of(conditioner: HeartConditioner) -> dict[str, dict[str, float]]:
    """By key of its configuration, the mean or spread of each number by its name."""
    about = conditioner.config
    names = {"phenotype": about.phenotypes, "motion": about.motion, "person": field_names(conditioner)}
    keys = {f"{kind}_{which}": kind for kind in names for which in ("mean", "std")}
    return {key: dict(zip(names[kind], about[key], strict=True)) for key, kind in keys.items()}


def take_regressor(regressor: CodeRegressor, taught: CodeRegressor, same_components: bool = False) -> list[Taken]:
    """Begin with a trained regression: its weights, and the statistics of what it knows."""
    conditioner, width = regressor.conditioner, regressor.conditioner.config.width
    keep_statistics(conditioner, taught.conditioner)
    fields, had = field_names(conditioner), field_names(taught.conditioner)
    fresh = {name: value.clone() for name, value in conditioner.state_dict().items() if name.startswith("person_")}
    numbers = numbers_of(conditioner, taught.conditioner, same_components)
    named = {
        **{name: Named(0, fields, had) for name in fresh},
        "embedding.0.weight": Named(1, fields, had, width, width),
        "target_head.weight": Named(0, *numbers),
        "target_head.bias": Named(0, *numbers),
        "ecg_head.weight": Named(0, *numbers),
    }
    told = take("conditioner", conditioner, taught.conditioner, named)
    _keep_fresh(conditioner, fresh, [place for place, name in enumerate(fields) if name not in had])
    return [_take_encoder(regressor.ecg_encoder, taught.ecg_encoder), told]


def _take_encoder(encoder: ECGEncoder, taught: ECGEncoder) -> Taken:
    """Begin with a trained encoder. Where that one is not told the rhythm, the fresh one adds 0 for it at first."""
    rate, had = encoder.config.sampling_rate, taught.config.sampling_rate
    if rate != had:
        whole = sum(value.numel() for value in encoder.state_dict().values())
        return Taken("ECG encoder", 0, whole, f"ECGs are of {rate} Hz, the pipeline's of {had} Hz")
    told = take("ECG encoder", encoder, taught)
    if encoder.of_rhythm is None or taught.of_rhythm is not None:
        return told
    for value in encoder.of_rhythm[-1].parameters():
        nn.init.zeros_(value)
    return replace(told, why=f"{told.why}; the pipeline is told no rhythm, which at first counts for nothing")


def _keep_fresh(module: nn.Module, fresh: Mapping[str, Tensor], rows: Iterable[int]) -> None:
    """Put the fresh rows of these tensors back: tokens that nobody taught must differ."""
    rows, state = list(rows), module.state_dict()
    for name, value in fresh.items():
        state[name][rows] = value[rows]


def take_prior(prior: HeartPrior, start: Start, conditioner: HeartConditioner, same_components: bool) -> Taken:
    """Begin with a trained prior. It has as many places for the heart code as it takes and gives."""
    numbers = numbers_of(conditioner, start.pipeline.conditioner, same_components)
    before = 0 if prior.config.about_predicted else conditioner.config.width
    named = {
        "enter.weight": Named(1, *numbers),
        "given.0.weight": Named(1, *numbers, before),
        "leave.1.weight": Named(0, *numbers),
        "leave.1.bias": Named(0, *numbers),
    }
    return take("prior", prior, start.pipeline.prior, named)


def take_denoiser(denoiser: HeartDenoiser, start: Start, conditioner: HeartConditioner, same_components: bool) -> Taken:
    """Begin with a trained denoiser of the same latents."""
    numbers = numbers_of(conditioner, start.pipeline.conditioner, same_components)
    before = POSITION_FEATURES + PHASE_FEATURES + conditioner.config.width
    named = {"unet.class_embedding.linear_1.weight": Named(1, *numbers, before)}
    return take("denoiser", denoiser, start.pipeline.denoiser, named)


def taught_motion(start: Start | None, autoencoder: SliceAutoencoder) -> HeartMotion | None:
    """The motion network to begin with: the pipeline's, if it has one and knows these latents."""
    return start.pipeline.motion if start is not None and start.same_latents(autoencoder) else None


def take_motion(motion: HeartMotion, taught: HeartMotion) -> Taken:
    """Begin with a trained motion network; one of other numbers is left."""
    if tuple(motion.config.numbers) != tuple(taught.config.numbers):
        whole = sum(value.numel() for value in motion.state_dict().values())
        return Taken("motion", 0, whole, "the pipeline knows other motion numbers")
    return take("motion", motion, taught)
