"""ECG -> heart: one self-contained folder of all networks, the scheduler and the geometry."""

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModelMixin
from diffusers.utils import logging as diffusers_logging
from einops import rearrange
from torch import Generator, Tensor

from cohort.beat_clock import frame_times, place_of
from cohort.disk import whole_folder
from cohort.ecg_numbers import ecg_numbers, known_leads, needed_leads
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.limb_leads import LIMB_LEADS
from cohort.prepared import Preparation
from models.autoencoder import SliceAutoencoder
from models.code_correction import CodeCorrection
from models.conditioning import PERSON_FIELDS, HeartConditioner
from models.denoiser import HeartDenoiser
from models.ecg_encoder import ECGEncoder
from models.heart_motion import HeartMotion, with_neighbours
from models.heart_prior import HeartPrior
from models.noise import heart_noise
from models.places import Places
from models.segmenter import Segmenter
from models.usual_ecgs import UsualECGs

from .measured_numbers import unsound_number
from .model_folder import (
    REAL,
    TRUST,
    read_index,
    require_config_of,
    require_current_layout,
    require_plain,
)
from .obeying import in_sds
from .ranges import sound_sampling
from .schedulers import DEFAULT_SCHEDULER, from_flow, make_scheduler, to_flow
from .steering import Sight, steered

PARTS = {
    "ecg_encoder": ECGEncoder,
    "conditioner": HeartConditioner,
    "prior": HeartPrior,
    "denoiser": HeartDenoiser,
    "autoencoder": SliceAutoencoder,
}
# A pipeline of stills has no motion; one from before there were usual ECGs, or of few people, cannot tell them.
FURTHER_PARTS = {"motion": HeartMotion, "usual_ecgs": UsualECGs, "correction": CodeCorrection}
SEGMENTER = "segmenter"  # subfolder of the segmenter that travels with a pipeline
DECODED_AT_ONCE = 128  # slices
NOTHING_MEASURES = "this pipeline corrects its hearts, and nothing measures them: give it a segmenter"
SYSTOLE = (0.15, 0.8)  # share of the cycle in which a drawn heart's ES may be
PRIOR_STEPS = 20  # of a small network: they cost nothing beside one evaluation of the denoiser


@dataclass(frozen=True)
class PatientBatch:
    """What B patients give the networks.

    Attributes:
        ecg: (B, 12, samples) mV at the encoder's rate and duration; lead_mask: (B, 12) bool.
        person: (B, 4 + F) sex, age, height, weight and the pipeline's further fields, NaN where absent.
        ecg_present, person_present: (B,) bool; False replaces that part by its null token.
    """

    ecg: Tensor
    lead_mask: Tensor
    person: Tensor
    ecg_present: Tensor
    person_present: Tensor

    def to(self, device: torch.device) -> "PatientBatch":
        return PatientBatch(*(value.to(device) for value in vars(self).values()))

    @property
    def known(self) -> Tensor:
        """(B, 2) how many independent leads are known, and how many of PERSON_FIELDS. Limb leads count as two."""
        limb, chest = (part.sum(1) for part in self.lead_mask.tensor_split([len(LIMB_LEADS)], dim=1))
        limb = limb.clamp(max=2)  # two of them tell the others
        fields = (~self.person[:, : len(PERSON_FIELDS)].isnan()).sum(1)
        return torch.stack([(limb + chest) * self.ecg_present, fields * self.person_present], dim=1)


@dataclass(frozen=True)
class DrawnHearts:
    """B hearts as they were drawn: latents (B, S*P, C, h, w), and heart codes (B, K) in the cohort's SDs."""

    latents: Tensor
    codes: Tensor


@dataclass(frozen=True)
class DrawnBeat:
    """B beating hearts, on the CPU.

    Attributes:
        hearts: (B, slices, frames, height, width) in [0, 1]. Frame 0 is ED, and they are spread evenly over the cycle.
        inside: (B, frames) share of the stroke volume still inside: (V - ESV) / SV.
        es_share: (B,) when ES is, share of the cycle.
    """

    hearts: Tensor
    inside: Tensor
    es_share: Tensor


class ECGToMRIPipeline(DiffusionPipeline):
    """Generate hearts from ECGs.

    Args:
        ecg_encoder, conditioner, prior, denoiser, autoencoder: trained parts.
        scheduler: any that `make_scheduler` builds.
        geometry: fields of the GridGeometry the parts were trained on.
        ecg_limits: per lead the (low, high) peak-to-peak mV the training cohort kept to.
        shared_noise: fraction of the starting noise common to the slices of a heart, as in training.
        guidance_scale, steps: defaults of `__call__`.
        trained_on: whose hearts and ECGs taught the parts, "simulated" or "real" people; None if nobody knows.
        motion: the trained part that lets hearts beat; None for a pipeline of stills.
        usual_ecgs: the part that tells how unlike an ECG is those it learned from; None where it cannot tell.
        correction: the part that says what to tell the denoiser when a heart did not obey; None: hearts are drawn once.
        redraws: how often a heart is measured and drawn again, where there is a correction. It needs `segmenter`.
        steering: steps by which a heart is steered to its code before the last step of the sampler, as `redraws`.

    Attributes:
        segmenter: measures hearts between two drawings; `load` finds it in the folder.
    """

    segmenter: Segmenter | None = None

    _optional_components = list(FURTHER_PARTS)

    def __init__(
        self,
        ecg_encoder: ECGEncoder,
        conditioner: HeartConditioner,
        prior: HeartPrior,
        denoiser: HeartDenoiser,
        autoencoder: SliceAutoencoder,
        scheduler,
        geometry: dict[str, float] | None = None,
        ecg_limits: list[list[float]] | None = None,
        shared_noise: float = 0.0,
        guidance_scale: float = 1.0,
        steps: int = 8,
        trained_on: str | None = None,
        motion: HeartMotion | None = None,
        usual_ecgs: UsualECGs | None = None,
        correction: CodeCorrection | None = None,
        redraws: int = 1,
        steering: int = 0,
    ) -> None:
        super().__init__()
        self.register_modules(
            ecg_encoder=ecg_encoder,
            conditioner=conditioner,
            prior=prior,
            denoiser=denoiser,
            autoencoder=autoencoder,
            scheduler=scheduler,
            motion=motion,
            usual_ecgs=usual_ecgs,
            correction=correction,
        )
        self.register_to_config(
            geometry=geometry,
            ecg_limits=ecg_limits,
            shared_noise=shared_noise,
            guidance_scale=guidance_scale,
            steps=steps,
            trained_on=trained_on,
            redraws=redraws,
            steering=steering,
        )

    @property
    def knows_phantoms_only(self) -> bool:
        """Whether simulated people alone taught it. Where it does not say, it counts as taught by them."""
        return self.config.trained_on != REAL

    @property
    def parts(self) -> dict[str, ModelMixin]:
        """Its networks by name; "motion" among them if its hearts beat."""
        names = (*PARTS, *(name for name in FURTHER_PARTS if getattr(self, name) is not None))
        return {name: getattr(self, name) for name in names}

    @property
    def grid(self) -> GridGeometry:
        """Size and spacing of the hearts it makes."""
        return GridGeometry(**(self.config.geometry or {}))

    @property
    def preparation(self) -> Preparation:
        """How the cohort it was trained on was laid down; another cohort has to be laid down alike."""
        encoder = self.ecg_encoder.config
        return Preparation(self.grid, encoder.sampling_rate, encoder.duration_s)

    @property
    def further_fields(self) -> tuple[str, ...]:
        """Names of the further numbers of the person that it can be told."""
        return tuple(self.conditioner.config.further_fields)

    @property
    def places(self) -> Places:
        """Of all slices of one heart (B = 1)."""
        return Places.stack(self.grid.slice_position_mm, self.grid.phase)

    @torch.no_grad()
    def __call__(
        self,
        patients: PatientBatch,
        generators: list[Generator],
        steps: int | None = None,
        guidance_scale: float | None = None,
        guided_between: tuple[float, float] = (0.0, 1.0),
    ) -> Tensor:
        """Denoise one heart per patient of the batch: ED and ES.

        Args:
            patients: B of them.
            generators: B CPU generators. A heart depends on its own alone, at any batch size.
            steps: evaluations of the denoiser; the pipeline's own number if not given.
            guidance_scale: 1 follows the condition (no second pass), above 1 exaggerates it (Ho & Salimans 2022).
            guided_between: noise levels (0 to 1) at which it does. At others one pass follows the condition
                (Kynkäänniemi 2024, "Applying Guidance in a Limited Interval", section 3).

        Returns:
            (B, slices, phases, height, width) intensities in [0, 1] on the CPU.

        Raises:
            InputError: a scale or a number of steps that no sampler can run with.
        """
        return self.decode(self.draw(patients, generators, steps, guidance_scale, guided_between).latents)

    @torch.no_grad()
    def draw(
        self,
        patients: PatientBatch,
        generators: list[Generator],
        steps: int | None = None,
        guidance_scale: float | None = None,
        guided_between: tuple[float, float] = (0.0, 1.0),
    ) -> DrawnHearts:
        """What `__call__` decodes, with the heart codes: `decode` makes the stills of it, and `beat` whole beats.

        Arguments are those of `__call__`.

        Raises:
            InputError: a scale or a number of steps that no sampler can run with.
        """
        scale = self.config.guidance_scale if guidance_scale is None else guidance_scale
        if not sound_sampling(scale, steps or self.config.steps):
            fault = f"guidance scale {scale}, {steps or self.config.steps} steps"
            raise InputError(fault, "are out of range", "give a scale of at most 100 and 1 to 1000 steps")
        tokens, condition, codes = self.condition(patients, generators, scale)  # (B or 2 B, ...); codes (B, K)
        noise, told = self.starting_noise(generators), codes  # (B, S, C, h, w), (B, K)
        batch, places, latents = len(generators), self.places.to(self.device), noise
        everybody = torch.arange(batch, device=self.device)
        for redraw in range(1 + (0 if self.correction is None else self.config.redraws)):
            if redraw:
                told = self.correction(told, codes, self._measured(latents))  # (B, K)
                condition = self.conditioner.with_code(condition, told)  # (B or 2 B, condition_length)
            self.scheduler.set_timesteps(steps or self.config.steps)
            latents = noise * getattr(self.scheduler, "init_noise_sigma", 1.0)  # (B, S, C, h, w)
            for number, timestep in enumerate(self.progress_bar(self.scheduler.timesteps), start=1):
                on_path, sigma = to_flow(self.scheduler, latents, timestep)
                rows = len(condition) if guided_between[0] <= sigma <= guided_between[1] else batch
                told_rows = (places, tokens[:rows], condition[:rows], batch)
                if number == len(self.scheduler.timesteps) and self._steers:
                    latents = self._steered(on_path, sigma, told_rows, scale, codes)  # (B, S, C, h, w)
                    continue
                predicted = self.denoiser(*self._given(on_path, sigma, everybody, *told_rows))
                prediction = from_flow(self.scheduler, on_path, guided(predicted, batch, scale), sigma)
                latents = self._step(prediction, timestep, latents, generators)  # (B, S, C, h, w)
        return DrawnHearts(latents, codes)

    def _given(
        self,
        points: Tensor,
        sigma: Tensor,
        which: Tensor,
        places: Places,
        tokens: Tensor,
        condition: Tensor,
        batch: int,
    ) -> tuple[Tensor, Tensor, Places, Tensor, Tensor]:
        """What the denoiser is given for some hearts of a batch; for guidance twice, then without a condition.

        Args:
            points: (b, S, C, h, w). sigma: () share of noise. which: (b,) their numbers in the batch.
            places: of one heart. tokens, condition: of the batch, or of 2 batches with the empty condition.
        """
        rows = torch.cat([which + first for first in range(0, len(condition), batch)])  # (b or 2 b,)
        repeated = points.repeat(len(rows) // len(points), 1, 1, 1, 1)  # (b or 2 b, S, C, h, w)
        return repeated, sigma.to(points).expand(len(rows)), places.repeated(len(rows)), tokens[rows], condition[rows]

    @property
    def corrects(self) -> bool:
        """Whether its own segmenter has a part in drawing, so that another one is the sterner judge."""
        return self.correction is not None and (self.config.redraws > 0 or self.config.steering > 0)

    @property
    def _steers(self) -> bool:
        return self.correction is not None and self.config.steering > 0

    def _steered(
        self, points: Tensor, sigma: Tensor, told_rows: tuple[Places, Tensor, Tensor, int], scale: float, codes: Tensor
    ) -> Tensor:
        """Hearts (B, S, C, h, w) of the points before the last step, that measure what codes (B, K) tell.

        Args:
            told_rows: places, tokens, condition and batch, as of `_given`. scale: of guidance.

        Raises:
            ValueError: there is no segmenter.
        """
        if self.segmenter is None:
            raise ValueError(NOTHING_MEASURES)
        segmenter = self.segmenter.to(self.device, memory_format=torch.channels_last)  # a third faster on a CPU
        sight = Sight(self.autoencoder, segmenter, self.correction, self.conditioner, self.grid)

        def clean(some: Tensor, which: Tensor) -> Tensor:
            predicted = self.denoiser(*self._given(some, sigma, which, *told_rows))
            return some - sigma.to(some) * guided(predicted, len(some), scale)  # (b, S, C, h, w)

        return steered(points, clean, sight, codes, self.config.steering)

    def _measured(self, latents: Tensor) -> Tensor:
        """(B, P) what the segmenter finds on hearts (B, S, C, h, w) of the phenotypes to be corrected, in SDs.

        Raises:
            ValueError: there is no segmenter.
        """
        if self.segmenter is None:
            raise ValueError(NOTHING_MEASURES)
        segmenter, names = self.segmenter.to(self.device), self.correction.config.corrected
        hearts = self.decode(latents).numpy()
        found = [in_sds(segmenter, heart, self.grid, self.conditioner, tuple(names)) for heart in hearts]
        return torch.from_numpy(np.array(found)).to(latents)  # (B, P)

    @torch.no_grad()
    def beat(self, drawn: DrawnHearts, frames: int) -> DrawnBeat:
        """Let drawn hearts beat: every frame by the motion network, from their ED and ES and how their codes move.

        Frame 0 is the drawn ED. ES lies between two frames, as in a scanned cine; `decode` gives it.

        Args:
            drawn: B hearts of `draw`. frames: how many of a cycle.

        Raises:
            ValueError: the pipeline is one of stills.
        """
        if self.motion is None:
            raise ValueError("this pipeline has no motion network: it draws stills")
        place, inside, es_share = self.emptying(drawn.codes, frames)  # (B, F), (B, F), (B,)
        about = self.conditioner.motion_part(drawn.codes)  # (B, M)
        g = self.grid
        position = torch.as_tensor(g.slice_position_mm, dtype=torch.float32, device=self.device)
        keys = with_neighbours(rearrange(drawn.latents, "b (s p) c h w -> b s p c h w", p=g.phases))
        hearts = []
        for heart in range(len(keys)):  # one at a time: its frames are a batch large enough, and memory stays small
            whose = (value[heart].expand(g.slices, -1) for value in (place, inside, about))
            latents = self.motion(keys[heart], position, *whose)  # (S, F, C, h, w)
            hearts.append(rearrange(self.pixels(latents.flatten(0, 1)), "(s f) 1 h w -> s f h w", f=frames))
        return DrawnBeat(torch.stack(hearts), inside.cpu(), es_share.cpu())

    @torch.no_grad()
    def emptying(self, codes: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """How hearts of codes (B, K) empty, by the codes alone.

        Frame 0 is ED.

        Returns:
            place: (B, frames) of every frame on the clock by which everybody's ES is at one place.
            inside: (B, frames) share of the stroke volume still inside.
            es_share: (B,) when ES is, share of the cycle.
        """
        codes = codes.to(self.device)
        numbers = self.conditioner.motion_numbers(codes)
        es_share = numbers["ES_share"].clamp(*SYSTOLE)  # (B,)
        place = torch.from_numpy(place_of(frame_times(frames), es_share.cpu().double()[:, None].numpy()))
        place = place.float().to(self.device)  # (B, F)
        scores = torch.stack([value for name, value in numbers.items() if name.startswith("curve_")], dim=1)
        return place, self.motion.share_inside(scores, place), es_share

    @torch.no_grad()
    def condition(
        self, patients: PatientBatch, generators: list[Generator], scale: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the denoiser is given beside latents, with heart codes drawn from the prior.

        Returns:
            tokens (B, M, D), global condition (B, condition_length) and codes (B, K). For a guidance scale other than 1
            tokens and condition are 2 B rows: those of the empty condition follow, without a heart code.
        """
        tokens, summary = self.encode(patients, guided=scale != 1.0)
        known, widening = patients.known.to(self.device), self.widening(patients)  # (B, 2), (B,)
        codes = self.draw_codes(summary, generators, scale, known, widening)  # (B, K)
        present = torch.arange(len(summary), device=self.device) < len(codes)  # (B or 2 B,)
        told = codes.repeat(len(summary) // len(codes), 1)  # (B or 2 B, K)
        return tokens, self.conditioner.global_condition(summary, told, present), codes

    def encode(self, patients: PatientBatch, guided: bool) -> tuple[Tensor, Tensor]:
        """Tokens (B, M, D) and summary (B, D + K). For guidance those of the empty condition follow: 2 B rows."""
        p = patients.to(self.device)
        tokens, pooled = self.ecg_encoder(p.ecg, p.lead_mask)
        given = self.conditioner(tokens, pooled, p.person, p.ecg_present, p.person_present)
        if not guided:
            return given
        none = torch.zeros_like(p.ecg_present)
        empty = self.conditioner(tokens, pooled, p.person, none, none)
        return torch.cat([given[0], empty[0]]), torch.cat([given[1], empty[1]])

    @torch.no_grad()
    def unlikeness(self, patients: PatientBatch) -> Tensor:
        """(B,) how unlike each ECG is usual ones (`models.usual_ecgs`), on the CPU.

        It is NaN where no ECG is given, or none of the independent leads, or the pipeline cannot tell.
        """
        known, told = known_leads(patients.lead_mask.cpu()), torch.full((len(patients.ecg),), torch.nan)  # (B, 8), (B,)
        rows = (patients.ecg_present.cpu() & known.any(dim=1)).nonzero()[:, 0]  # (n,)
        if self.usual_ecgs is None or not len(rows):
            return told
        rate, device = self.ecg_encoder.config.sampling_rate, self.device
        ecg, lead_mask = patients.ecg.cpu()[rows], patients.lead_mask.cpu()[rows]
        measured = [ecg_numbers(*one, rate) for one in zip(ecg.numpy(), lead_mask.numpy(), strict=True)]
        numbers = torch.from_numpy(np.stack(measured)).to(device)  # (n, F)
        pooled = self.ecg_encoder(ecg.to(device), lead_mask.to(device))[1]  # (n, W)
        told[rows] = self.usual_ecgs(numbers, pooled, known[rows].to(device)).cpu()
        return told

    def widening(self, patients: PatientBatch) -> Tensor:
        """(B,) factors of the codes' spread about their prediction; 1 where it is not known how unlike an ECG is."""
        unlike = self.unlikeness(patients)  # (B,)
        if self.usual_ecgs is None:
            return torch.ones_like(unlike)
        return torch.where(unlike.isnan(), 1.0, self.usual_ecgs.widening_at(unlike.nan_to_num()))

    @torch.no_grad()
    def draw_codes(
        self,
        summary: Tensor,
        generators: list[Generator],
        scale: float = 1.0,
        known: Tensor | None = None,
        widening: Tensor | None = None,
    ) -> Tensor:
        """Heart codes (B, K) in the cohort's SDs, one per generator, drawn from the prior.

        Args:
            summary: (B, D + K) of `encode`, or (2 B, D + K) with the empty condition for guidance.
            known: (B, 2) of `PatientBatch.known`; a prior whose spread goes by it needs it.
            widening: (B,) further factors of the codes' spread about their prediction; none if not given.
        """
        batch = len(generators)
        shape = (self.conditioner.code_length,)
        codes = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(self.device)  # (B, K)
        scheduler = make_scheduler(DEFAULT_SCHEDULER)
        scheduler.set_timesteps(PRIOR_STEPS)
        for timestep in scheduler.timesteps:
            _, sigma = to_flow(scheduler, codes, timestep)
            repeated = codes.repeat(len(summary) // batch, 1)  # (B or 2 B, K)
            velocity = self.prior(repeated, sigma.to(codes).expand(len(summary)), summary)  # (B or 2 B, K)
            codes = scheduler.step(guided(velocity, batch, scale), timestep, codes, return_dict=False)[0]
        predicted = self.conditioner.predicted(summary[:batch])  # (B, K)
        codes = self.prior.widened(codes, predicted, known)
        return codes if widening is None else predicted + widening.to(codes)[:, None] * (codes - predicted)

    def starting_noise(self, generators: list[Generator]) -> Tensor:
        """(B, S*P, C, h, w), one heart per generator, on the pipeline's device."""
        g, f = self.grid, self.autoencoder.downsampling
        channels = self.autoencoder.config.latent_channels
        shape = (len(generators), g.slices * g.phases, channels, g.height // f, g.width // f)
        return heart_noise(shape, self.config.shared_noise, generators).to(self.device)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents of hearts (B, S*P, C, h, w) -> (B, slices, phases, height, width) in [0, 1] on the CPU."""
        pixels, g = self.pixels(rearrange(latents, "b s c h w -> (b s) c h w")), self.grid  # (B*S*P, 1, H, W)
        return rearrange(pixels, "(b s p) 1 h w -> b s p h w", s=g.slices, p=g.phases)

    @torch.no_grad()
    def pixels(self, latents: Tensor) -> Tensor:
        """(n, C, h, w) -> (n, 1, height, width) in [0, 1] on the CPU."""
        return torch.cat([self.autoencoder.decode(part) for part in latents.split(DECODED_AT_ONCE)]).float().cpu()

    @torch.no_grad()
    def encode_heart(self, heart: Tensor) -> Tensor:
        """A true heart (slices, phases, height, width) in [0, 1] -> latents (1, S*P, C, h, w)."""
        pixels = rearrange(heart.float().to(self.device), "s p h w -> (s p) 1 h w")
        return self.autoencoder.encode(pixels).unsqueeze(0)  # (1, S*P, C, h, w)

    @torch.no_grad()
    def reconstruct(self, heart: Tensor) -> Tensor:
        """A true heart (slices, phases, height, width) in [0, 1] through the autoencoder alone, on the CPU."""
        return self.decode(self.encode_heart(heart))[0]

    def _step(self, prediction: Tensor, timestep: Tensor, latents: Tensor, generators: list[Generator]) -> Tensor:
        # stochastic schedulers (DDPM, ancestral) take each heart's noise from that heart's generator
        options = {"generator": generators} if "generator" in inspect.signature(self.scheduler.step).parameters else {}
        return self.scheduler.step(prediction, timestep, latents, return_dict=False, **options)[0]

    def save(
        self,
        folder: Path,
        companions: dict[str, ModelMixin] | None = None,
        describe: Callable[[Path], None] | None = None,
        keep: bool = False,
    ) -> None:
        """Write the self-contained folder, whole or not at all.

        Args:
            companions: models that travel in the folder without being part of the pipeline, by subfolder.
            describe: called with the folder before it is complete, to add what describes it.
            keep: set an existing folder aside instead of deleting it (cohort.disk.whole_folder).
        """
        models = [*(companions or {}).values(), *self.parts.values()]
        size = sum(value.nbytes for model in models for value in model.state_dict().values())
        with whole_folder(folder, size, keep=keep) as unfinished:
            self.save_pretrained(unfinished, safe_serialization=True)
            for name, model in (companions or {}).items():
                model.save_pretrained(unfinished / name, safe_serialization=True)
            if describe:
                describe(unfinished)

    @classmethod
    def load(cls, folder: Path, scheduler: str | None = None) -> "ECGToMRIPipeline":
        """Open a pipeline folder; refuses one with missing, unexpected or misshapen weights, or that carries code.

        Args:
            scheduler: name of a diffusers scheduler that replaces the stored one.
        """
        index = folder / "model_index.json"
        if not index.exists():
            raise InputError(
                folder,
                "is not a trained pipeline",
                "train one with `accelerate launch train_diffusion.py`, or name one with --pipeline",
            )
        require_plain(folder)
        require_current_layout(folder)
        settings, stored, names = read_index(folder, cls.__name__, PARTS, FURTHER_PARTS)
        parts = {
            name: load_part(part, folder / name) for name, part in (PARTS | FURTHER_PARTS).items() if name in names
        }
        pipeline = cls(**parts, scheduler=make_scheduler(scheduler or stored), **settings)
        require_matching_parts(pipeline, folder)
        if pipeline.correction is not None:
            pipeline.segmenter = load_part(Segmenter, folder / SEGMENTER)
        return pipeline


def guided(velocity: Tensor, batch: int, scale: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022, equation 6): (2 B, ...) -> (B, ...); (B, ...) is left alone."""
    if len(velocity) == batch:
        return velocity
    given, empty = velocity.chunk(2)
    return empty + scale * (given - empty)


def require_matching_parts(pipeline: ECGToMRIPipeline, folder: Path) -> None:
    """Refuse parts that are not of one pipeline: what one of them makes does not fit into the next.

    Raises:
        InputError: naming the size that differs.
    """
    encoder, conditioner, prior = pipeline.ecg_encoder.config, pipeline.conditioner, pipeline.prior.config
    denoiser, autoencoder, grid = pipeline.denoiser.config, pipeline.autoencoder, pipeline.grid
    cells, rest = zip(*(divmod(side, autoencoder.downsampling) for side in (grid.height, grid.width)), strict=True)
    sizes = {
        "width of ECG encoder and conditioner": (encoder.width, conditioner.config.width),
        "length of the heart code": (prior.code, conditioner.code_length),
        "length of the summary": (prior.summary, conditioner.summary_length),
        "length of the global condition": (denoiser.condition_length, conditioner.condition_length),
        "width of the denoiser's tokens": (denoiser.token_width, conditioner.config.width),
        "channels of the latents": (denoiser.latent_channels, autoencoder.config.latent_channels),
        "size of the latents": (tuple(denoiser.latent_size), cells),
        "pixels left over beside the latents' cells": (rest, (0, 0)),
    }
    if pipeline.usual_ecgs is not None:
        usual, lengths = pipeline.usual_ecgs.config, needed_leads().shape
        sizes["numbers and leads of usual ECGs"] = ((usual.numbers, usual.leads), lengths)
        sizes["width of ECG encoder and usual ECGs"] = (encoder.width, usual.pooled)
    if pipeline.correction is not None:
        correction, known = pipeline.correction.config, conditioner.config.phenotypes
        sizes["length of the heart code and of its correction"] = (conditioner.code_length, correction.code)
        named = tuple(known[place] for place in correction.places if place in range(len(known)))
        sizes["phenotypes of the heart code that are corrected"] = (named, tuple(correction.corrected))
    if pipeline.motion is not None:
        motion = pipeline.motion.config
        sizes["motion numbers of the heart code"] = (tuple(motion.numbers), tuple(pipeline.conditioner.config.motion))
        sizes["channels of the motion network's latents"] = (motion.latent_channels, denoiser.latent_channels)
        sizes["phases that the motion network joins"] = (grid.phases, 2)
    for what, (one, other) in sizes.items():
        if one != other:
            raise InputError(folder, f"its parts do not fit together: {what} is {one} and {other}", TRUST)


def load_part(part: type, folder: Path):
    """A trained part in float32 and eval mode; diffusers only warns of missing tensors, so the lists are checked here.

    Raises:
        InputError: the folder is not exactly what `save_pretrained` of this part writes, a weight is not finite, or a
            number in its configuration cannot be.
    """
    require_plain(folder)
    require_config_of(part, folder)
    try:
        with _without_warnings():
            loaded, info = part.from_pretrained(
                folder, output_loading_info=True, use_safetensors=True, low_cpu_mem_usage=False, local_files_only=True
            )
    except Exception as error:  # a constructor answers a damaged configuration with whatever it stumbles over
        raise InputError(
            folder, f"cannot be loaded ({type(error).__name__})", "train again or copy it again"
        ) from error
    wrong = [f"{len(names)} {kind}, {min(map(str, names))} among them" for kind, names in info.items() if names]
    if wrong:
        fault = f"weights do not fit the configuration: {'; '.join(wrong)}"
        raise InputError(folder, fault, "train again or copy it again")
    if not all(value.isfinite().all() for value in loaded.state_dict().values()):
        raise InputError(folder, "holds weights that are not finite numbers", "train again or copy it again")
    if fault := unsound_number(part.__name__, loaded.config):
        raise InputError(folder / "config.json", fault, "train again or copy it again")
    loaded.register_to_config(_name_or_path="")  # where it lay on this machine is nobody's business
    return loaded.float().eval()  # weights may lie in half precision; the autoencoder above all is not run in it


@contextmanager
def _without_warnings() -> Iterator[None]:
    """`load_part` refuses a faulty folder in one line; diffusers would also list every tensor of it."""
    before = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(before)


def weights_sha256(folder: Path) -> str:
    """One hash of all weights of a pipeline folder that make or measure hearts, for the record beside every output."""
    digest = hashlib.sha256()
    for path in sorted(
        path for part in (*PARTS, *FURTHER_PARTS, SEGMENTER) for path in (folder / part).rglob("*.safetensors")
    ):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sample_generator(seed: int, subject: str, sample: int) -> Generator:
    """The noise of one heart: a function of (seed, subject, sample number) and of nothing else."""
    digest = hashlib.sha256(f"{seed}/{subject}/{sample}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def newest_pipeline(runs: Path) -> Path:
    """The pipeline folder under `runs` that was written last.

    Raises:
        InputError: there is none.
    """
    pipelines = sorted(runs.glob("*/pipeline/model_index.json"), key=lambda path: path.stat().st_mtime)
    if not pipelines:
        raise InputError(
            runs,
            "holds no trained pipeline",
            "train one with `accelerate launch train_diffusion.py`, or name one with --pipeline",
        )
    return pipelines[-1].parent
