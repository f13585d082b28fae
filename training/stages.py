"""The stages of a training, in one table: each learns one thing, with what the earlier ones have learned."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from cohort.cines import IMAGES, Cines
from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import PreparedCohort
from cohort.shown_phenotypes import with_shown
from cohort.stored_arrays import array_sha256
from models.autoencoder import SliceAutoencoder
from models.code_regressor import CodeRegressor
from models.denoiser import HeartDenoiser
from models.heart_components import HeartComponents
from models.heart_motion import HeartMotion
from models.heart_prior import HeartPrior
from models.presets import PRESETS, Preset, preset_for
from models.segmenter import Segmenter
from sampling.inputs import ecg_limits
from sampling.measured_phenotypes import said_of, with_measured
from sampling.pipeline import ECGToMRIPipeline, load_part
from sampling.release import RELEASED_SEGMENTER
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler

from .autoencoder import autoencoder_recipe, keep_autoencoder, learn_autoencoder, require_cells
from .ceiling import ceiling
from .code_correction import code_correction
from .code_prior import code_prior, measured_spread, prior_recipe
from .code_regression import code_regression, regression_recipe
from .cohort_arrays import taught_by
from .denoising import BatchPlan, TrainingData, denoising
from .ecg_set import EcgSet, training_ecgs, validation_ecgs
from .fit import fit
from .initial import Start, take_denoiser, take_motion, take_prior, take_regressor, taught_motion
from .latents import autoencoder_fingerprint, cine_latents, cohort_latents
from .motion import MovingHearts, fresh_motion, motion_recipe, moving
from .motion_targets import MotionTargets, motion_targets, standardised_motion
from .networks import copy_matching_weights, fresh_generator, fresh_regressor
from .options import LENGTHS, START_RATE, DiffusionOptions
from .plan import Plan
from .recipe import Recipe
from .run import Run, steps_done
from .sample_grid import sample_grid
from .segmenter import labelled_rows, learn_segmenter, segmenter_recipe
from .session import Session
from .state import checkpoint_bytes
from .taken import Taken, begins
from .targets import heart_codes, heart_components
from .told_motion import tables_sha256, told_motion
from .training_page import TrainingPage
from .usual_ecgs import usual_ecgs

HEART_COMPONENTS = 24  # principal components of whole hearts in the heart code
LENGTH_KEYS = ("steps", "stage_steps")  # of the settings: a training may become longer
LIMITS_PEOPLE = 2000  # whose ECGs say which amplitudes are usual


@dataclass
class Training:
    """One training of a whole pipeline: what is given, and what the stages have learned so far.

    Attributes:
        options: with what the preset decides filled in (`with_lengths`).
        watch: called with the step whenever the denoiser is evaluated; None draws sample grids.
        autoencoder, segmenter, ceiling: None until learned. Without phenotypes the ceiling stays None.
        regressor, prior, denoiser, latents, codes, run, settings: filled in by the stage "networks".
        cines: of some of the people; None where hearts are to stand still.
        motion_targets: how they move, filled in by the stage "networks"; None where no cine tells it.
        motion: filled in by the stage "networks", if there are targets.
        pipeline: around the networks being trained; filled in by the stage "prior".
        start: the trained pipeline that every stage begins with; None to begin with fresh weights.
        components: what the components of heart codes mean; filled in by the stage "networks".
        taken: how much of the start each network took; filled in by the stage "networks".
        plan: which stages learn, and how long they take; None where nobody follows it.
    """

    options: DiffusionOptions
    accelerator: Accelerator
    cohort: PreparedCohort
    extra_ecgs: ECGCohort | None = None
    cines: Cines | None = None
    watch: Callable[[int], None] | None = None
    autoencoder: SliceAutoencoder | None = None
    segmenter: Segmenter | None = None
    ceiling: CodeRegressor | None = None
    regressor: CodeRegressor | None = None
    prior: HeartPrior | None = None
    denoiser: HeartDenoiser | None = None
    motion: HeartMotion | None = None
    motion_targets: MotionTargets | None = None
    latents: np.ndarray | None = None
    codes: Tensor | None = None
    pipeline: ECGToMRIPipeline | None = None
    run: Run | None = None
    settings: dict = field(default_factory=dict)
    start: Start | None = None
    components: HeartComponents | None = None
    taken: tuple[Taken, ...] = ()
    plan: Plan | None = None

    @property
    def taught_by(self) -> str | None:
        """Whose data taught the pipeline, those who taught its start included."""
        whose = taught_by(self.options.places, self.options.more_ecgs)
        return self.start.taught_by(whose) if self.start else whose

    def begun(self, recipe: Recipe) -> Recipe:
        """A recipe for fresh weights, slower where the stage begins with trained ones."""
        return recipe.slower(START_RATE) if self.start else recipe

    def judged(self, recipe: Recipe) -> Recipe:
        """A recipe for fresh weights, judged more often where the stage begins with trained ones."""
        return recipe.often_judged() if self.start else recipe

    @property
    def preset(self) -> Preset:
        return PRESETS[self.options.preset]

    def session(self, stage: str, recipe: Recipe) -> Session:
        """The session of a stage, whose run lies in a folder of its own below the training's."""
        settings = {key: value for key, value in self.settings.items() if key not in LENGTH_KEYS}
        settings |= {"steps": recipe.steps}
        run = Run(self.options.output / stage, settings, self.accelerator.is_main_process, LENGTH_KEYS)
        return self.watched(stage, run, recipe)

    def watched(self, stage: str, run: Run, recipe: Recipe) -> Session:
        """The session of a stage in this run, which knows the plan and the page of the whole training."""
        begun = self.start is not None
        return Session(run, recipe, self.accelerator, self.options.seed, stage, self.plan, self.page, begun)

    @property
    def page(self) -> TrainingPage:
        """The page that shows all stages, in the folder of the training."""
        options = self.options
        elsewhere = {"autoencoder": options.autoencoder, "segmenter": options.segmenter, "denoiser": options.output}
        return TrainingPage(options.output, {name: elsewhere.get(name, options.output / name) for name in LEARNING})

    @property
    def held_out(self) -> EcgSet:
        return validation_ecgs(self.cohort, self.codes)


def with_lengths(options: DiffusionOptions, device: str, start: Start | None = None) -> DiffusionOptions:
    """The options with what was not given filled in by the preset; device: "cpu", "cuda" or another kind.

    Args:
        start: the trained pipeline of `options.init`.

    Raises:
        InputError: it is of another preset than the one asked for, so that hardly a weight would fit.
    """
    preset = preset_for(options.preset, device)
    if start is not None and start.preset not in (None, preset):
        if options.preset != "auto":
            fault = f"holds a pipeline of --preset {start.preset}, and {preset} is asked for"
            raise InputError(options.init, fault, "leave --preset out, or begin without --init")
        preset = start.preset
    steps, hearts, rate = LENGTHS[preset]
    rate *= START_RATE if start is not None else 1
    return replace(
        options,
        preset=preset,
        steps=options.steps or steps,
        hearts_per_batch=options.hearts_per_batch or hearts,
        learning_rate=rate if options.learning_rate is None else options.learning_rate,
    )


# ---- The stages ----


def autoencoder_stage(training: Training) -> None:
    """The autoencoder of `--autoencoder`, trained now if that folder holds none."""
    options, accelerator = training.options, training.accelerator
    model = options.autoencoder / "model"
    if not model.exists():
        if training.start is None:
            accelerator.print(f"no trained autoencoder in {options.autoencoder}: training one first")
            recipe, width = autoencoder_recipe(options.stage_steps.autoencoder), training.preset.autoencoder_width
            learn_autoencoder(width, training.cohort, options.autoencoder, recipe, accelerator, options.seed)
        else:
            taught = training.start.pipeline.autoencoder.to(accelerator.device)
            keep_autoencoder(taught, training.cohort, options.autoencoder, accelerator, options.seed)
    autoencoder = load_part(SliceAutoencoder, model).to(accelerator.device)  # the same bits on every process
    geometry = training.cohort.preparation.geometry
    require_cells(autoencoder, geometry.height, geometry.width)
    training.autoencoder = autoencoder


def segmenter_stage(training: Training) -> None:
    """The segmenter of `--segmenter`, trained now if that folder holds none; the released one without label maps.

    It measures the hearts of those whom neither a label map nor a table describes.
    """
    options, accelerator = training.options, training.accelerator
    if not segmenter_folder(training).exists():
        accelerator.print(f"no trained segmenter in {options.segmenter}: training one first")
        recipe, whose = training.begun(segmenter_recipe(options.stage_steps.segmenter)), taught_by(options.places)
        taught = training.start.segmenter if training.start else None
        whose = training.start.taught_by(whose) if taught else whose
        about = (accelerator, options.seed)
        learn_segmenter(training.cohort, options.segmenter, recipe, *about, trained_on=whose, taught=taught)
    training.segmenter = stored_segmenter(training)
    training.cohort, training.extra_ecgs = measured_cohort(training)
    if training.cohort.measured is not None:
        accelerator.print(told_measured(training.cohort, training.segmenter))


def networks_stage(training: Training) -> None:
    """Latents, heart codes and fresh networks; the run is locked and its disk space checked before it learns."""
    options, accelerator, cohort = training.options, training.accelerator, training.cohort
    with accelerator.main_process_first():
        main = accelerator.is_main_process
        training.latents = cohort_latents(training.autoencoder, cohort, accelerator.device, main)
    if training.cines is not None:
        training.motion_targets = measured_motion(training)
    given = (options, cohort, training.extra_ecgs, training.autoencoder, training.cines)
    training.settings = recorded_settings(*given, training.start)
    set_seed(options.seed)  # again: the same fresh weights whether or not an autoencoder was trained before
    targets = training.motion_targets
    fields = options.person_fields
    training.regressor = fresh_regressor(cohort, training.preset, HEART_COMPONENTS, targets, fields)
    conditioner, latent_shape = training.regressor.conditioner, training.latents.shape[-3:]
    about = training.start is None or training.start.pipeline.prior.config.about_predicted  # else nothing would fit
    training.prior, training.denoiser = fresh_generator(conditioner, training.preset, latent_shape, about)
    if targets is not None:
        training.motion = fresh_motion(targets, latent_shape[0], training.preset.motion_width)
    training.components = shared_components(training)
    if training.start is not None:
        begin_networks(training)
    training.run = Run(options.output, training.settings, main, LENGTH_KEYS)
    refuse_stale_stages(training)
    training.run.require_space(checkpoint_bytes(training.denoiser))
    training.components = training.components or heart_components(cohort, training.latents, HEART_COMPONENTS)
    training.codes = heart_codes(cohort, training.latents, conditioner, targets, training.components)


def ceiling_stage(training: Training) -> None:
    """The ceiling's regression, if phenotypes are known; the code regressor begins with its weights.

    With --init both begin with the pipeline's, each with its own.
    """
    if not training.regressor.conditioner.config.phenotypes:
        return
    recipe = training.judged(regression_recipe(training.options.stage_steps.ceiling, training.options.learning_rate))
    session = training.session("ceiling", recipe)
    given = (session, training.cohort, training.extra_ecgs, training.preset)
    more = {"motion": training.motion_targets, "fields": training.options.person_fields}
    if training.start is not None:
        more["begin"] = partial(take_regressor, taught=training.start.ceiling)
    task, _, _ = ceiling(*given, **more)
    training.ceiling = fit(task, session)
    if training.start is None:
        copy_matching_weights(training.regressor, training.ceiling)


def condition_stage(training: Training) -> None:
    """The regression of the heart code from ECG and person, learned from `--more-ecgs` too.

    An encoder that has seen the cohort alone is too sure of what it has seen. A regressor that begins with the
    ceiling's weights learns at half the rate.
    """
    options, regressor = training.options, training.regressor
    rate = options.learning_rate / 2 if training.ceiling else options.learning_rate
    recipe = training.judged(regression_recipe(options.stage_steps.condition, rate))
    session = training.session("condition", recipe)
    more = training.motion_targets and training.motion_targets.more
    train = training_ecgs(training.cohort, training.codes, training.extra_ecgs, regressor.conditioner, more)
    fit(code_regression(session, "condition", regressor, train, training.held_out, options.condition_dropout), session)


def prior_stage(training: Training) -> None:
    """The prior over heart codes and its spread, then which ECGs are usual.

    The prior learns from people with an MRI: only their codes are complete. Usual are the ECGs of all who taught.
    """
    options, cohort, rows = training.options, training.cohort, training.cohort.rows("train")
    training.pipeline = pipeline_of(training)
    session = training.session("prior", training.judged(training.begun(prior_recipe(options.stage_steps.prior))))
    train = EcgSet.of((cohort, rows, training.codes[rows]))
    given = (training.prior, training.regressor, train, training.held_out, options.condition_dropout)
    fit(code_prior(session, *given), session)
    spread = measured_spread(training.pipeline, training.held_out, options.seed)
    training.prior.register_to_config(spread=spread)
    more = training.motion_targets and training.motion_targets.more
    everybody = training_ecgs(cohort, training.codes, training.extra_ecgs, training.regressor.conditioner, more)
    usual = usual_ecgs(training.pipeline, everybody, training.held_out, options.seed)
    training.pipeline.register_modules(usual_ecgs=usual)
    if usual is None:
        training.accelerator.print("too few people to tell which ECGs are unlike theirs: sampling will not warn of any")


def denoiser_stage(training: Training) -> None:
    """The denoiser."""
    o, cohort = training.options, training.cohort
    plan = BatchPlan(o.hearts_per_batch, o.slices_per_heart, o.condition_dropout, o.shared_noise)
    data = TrainingData(cohort, training.latents, training.codes, plan)
    every = {"checkpoint_every": o.checkpoint_every, "evaluate_every": o.evaluate_every}
    session = training.watched("denoiser", training.run, Recipe(o.steps, o.learning_rate, **every))
    watch = training.watch or sample_grid(training.pipeline, cohort, o.output / "samples", o.seed)
    fit(denoising(session, training.denoiser, training.regressor, data, watch), session)


def correction_stage(training: Training) -> None:
    """What to tell the denoiser of a heart that did not obey. Without a segmenter hearts are drawn once."""
    if training.segmenter is None:
        return
    segmenter, main = training.segmenter.to(training.accelerator.device), training.accelerator.is_main_process
    given = (training.cohort, training.codes, training.regressor.conditioner, segmenter, main)
    training.pipeline.register_modules(correction=code_correction(*given))
    training.pipeline.segmenter = segmenter


def motion_stage(training: Training) -> None:
    """The motion network, from cines; without them hearts stand still. It needs latents and motion numbers alone."""
    if training.motion is None:
        return
    accelerator, cines, targets = training.accelerator, training.cines, training.motion_targets
    with accelerator.main_process_first():
        where = (accelerator.device, accelerator.is_main_process)
        frames = cine_latents(training.autoencoder, cines.folder, cines.images, *where)
    numbers = standardised_motion(targets.values, training.regressor.conditioner)
    hearts = MovingHearts(training.cohort, cines, targets, training.latents, frames, numbers)
    session = training.session("motion", training.begun(motion_recipe(training.options.stage_steps.motion)))
    fit(moving(session, training.motion, hearts), session)


STAGES: dict[str, Callable[[Training], None]] = {
    "autoencoder": autoencoder_stage,
    "segmenter": segmenter_stage,
    "networks": networks_stage,
    "ceiling": ceiling_stage,
    "condition": condition_stage,
    "prior": prior_stage,
    "denoiser": denoiser_stage,
    "correction": correction_stage,
    "motion": motion_stage,
}


LEARNING = (
    "autoencoder",
    "segmenter",
    "ceiling",
    "condition",
    "prior",
    "denoiser",
    "motion",
)  # the others only compute


def plan_of(training: Training) -> Plan:
    """The stages that have something to learn, as far as that is known before the first one, and their steps left."""
    options = training.options
    steps = asdict(options.stage_steps) | {"denoiser": options.steps}
    learns = dict.fromkeys(LEARNING, True)
    learns["autoencoder"] = training.start is None and not (options.autoencoder / "model").exists()
    learns["segmenter"] = not segmenter_folder(training).exists()
    learns["motion"] = training.cines is not None
    runs = training.page.runs
    return Plan({name: max(0, steps[name] - steps_done(runs[name])) for name in LEARNING if learns[name]})


def learn_stages(training: Training) -> None:
    """Every stage in its order. A line says at the beginning of each that learns where the training stands."""
    training.plan = plan_of(training)
    for name, learn in STAGES.items():
        if name in training.plan.left:
            training.accelerator.print(training.plan.line(name))
        learn(training)
        if name == "networks":  # which know what there is to learn from
            if not training.regressor.conditioner.config.phenotypes:
                training.plan.leave_out("ceiling")
            if training.motion is None:
                training.plan.leave_out("motion")
    if training.accelerator.is_main_process:
        training.page.write(finished=True)


# ---- What they share ----


def shared_components(training: Training) -> HeartComponents | None:
    """The components of the pipeline that the training begins with, where they mean the same; else None."""
    start, geometry = training.start, training.cohort.preparation.geometry
    found = start and start.same_components(training.autoencoder, geometry)
    return found if found is not None and found.config.count == HEART_COMPONENTS else None


def begin_networks(training: Training) -> None:
    """Give the fresh networks what fits of the start's weights, and say how much that is."""
    start, regressor, same = training.start, training.regressor, training.components is not None
    taken = take_regressor(regressor, start.regressor, same)
    taken.append(take_prior(training.prior, start, regressor.conditioner, same))
    if start.same_latents(training.autoencoder):
        taken.append(take_denoiser(training.denoiser, start, regressor.conditioner, same))
    motion = taught_motion(start, training.autoencoder)
    if motion is not None and training.motion is not None:
        taken.append(take_motion(training.motion, motion))
    for part in taken:
        training.accelerator.print(begins(part))
    for told in untaken(training, motion):
        training.accelerator.print(told)
    training.taken = tuple(taken)


def untaken(training: Training, motion: HeartMotion | None) -> list[str]:
    """What of the start is not begun with as a whole, each in a sentence."""
    told = []
    if not training.start.same_latents(training.autoencoder):
        told.append("denoiser and motion begin with fresh weights: --autoencoder is not the one of --init")
    if motion is not None and training.motion is None:
        told.append("the motion network of --init is left out: no cine here tells how hearts move")
    return told


def told_measured(cohort: PreparedCohort, segmenter: Segmenter) -> str:
    """Whom a segmenter measured, and in how many of them it found a heart."""
    who, lvedv = cohort.measured.any(axis=1), cohort.phenotypes[:, PHENOTYPES.index("LVEDV")]
    found = f"and found a left ventricle in {np.isfinite(lvedv[who]).sum()}"
    return f"no label maps of {who.sum()} of {len(who)} people: {said_of(segmenter)} measured them, {found}"


def segmenter_folder(training: Training) -> Path:
    """Where the segmenter lies, or will: `--segmenter`, or the released one for a cohort without label maps."""
    own = training.options.segmenter / "model"
    labelled = all(map(len, labelled_rows(training.cohort).values()))
    return own if own.exists() or labelled else RELEASED_SEGMENTER


def stored_segmenter(training: Training) -> Segmenter | None:
    """The trained segmenter, None where there is none yet."""
    folder = segmenter_folder(training)
    return load_part(Segmenter, folder) if folder.exists() else None


def measured_cohort(training: Training) -> tuple[PreparedCohort, ECGCohort | None]:
    """The cohort and the further ECGs with the phenotypes that hearts show on the grid.

    The stored segmenter measures those without a label map.
    """
    accelerator, segmenter, cohort = training.accelerator, stored_segmenter(training), training.cohort
    with accelerator.main_process_first():
        main = accelerator.is_main_process
        if segmenter is not None:
            cohort = with_measured(cohort, segmenter.to(accelerator.device), main)
        return with_shown(cohort, training.extra_ecgs, main)


def measured_motion(training: Training) -> MotionTargets | None:
    """How the people with cines move; a line says of how many it is known."""
    accelerator, cines = training.accelerator, training.cines
    told = told_motion(training.options.places, training.cohort, training.options.more_ecgs, training.extra_ecgs)
    taught = taught_motion(training.start, training.autoencoder)
    targets = motion_targets(training.cohort, cines, training.segmenter, taught, told)
    if targets is None:
        accelerator.print(f"no beat of {len(cines.rows)} cines can be measured: hearts will stand still")
        return None
    known = [beat for beat in targets.beats if beat is not None]
    open_ = sum(not beat.closes for beat in known)
    accelerator.print(
        f"motion: {len(known)} of {len(cines.rows)} cines are measured"
        + f"; {open_} of them do not close, and only their systole is used" * bool(open_)
        + f"; {told}" * bool(str(told))
        + f", {targets.refused} of them another beat than the cine, which counts" * bool(targets.refused)
    )
    return targets


def refuse_stale_stages(training: Training) -> None:
    """A longer "condition" changes what prior and denoiser are told, so these must learn on with it.

    Raises:
        InputError: one of them has learned all its steps from the shorter one.
    """
    options = training.options
    planned = asdict(options.stage_steps) | {"denoiser": options.steps}
    done = {stage: steps_done(options.output / stage) for stage in ("condition", "prior")}
    done["denoiser"] = training.run.done
    if not 0 < done["condition"] < planned["condition"]:
        return
    for stage, option in (("prior", "--stage-steps.prior"), ("denoiser", "--steps")):
        if done[stage] and done[stage] >= planned[stage]:
            fault = f"was raised, and {stage} has learned all its {planned[stage]} steps from the shorter stage"
            raise InputError("--stage-steps.condition", fault, f"raise {option} too, or choose another --output")


def pipeline_of(training: Training) -> ECGToMRIPipeline:
    """The pipeline around the networks being trained."""
    cohort, rows = training.cohort, training.cohort.rows("train")[:LIMITS_PEOPLE]
    return ECGToMRIPipeline(
        training.regressor.ecg_encoder,
        training.regressor.conditioner,
        training.prior,
        training.denoiser,
        training.autoencoder,
        make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(cohort.preparation.geometry),
        ecg_limits=ecg_limits(cohort.ecg[rows], cohort.lead_mask[rows]),
        shared_noise=training.options.shared_noise,
        motion=training.motion,
        trained_on=training.taught_by,
    )


def phenotypes_sha256(cohort: PreparedCohort) -> dict[str, str]:
    """For a run's settings, the phenotypes that teach: what label maps show, a segmenter measured or a table tells."""
    return {"phenotypes": hashlib.sha256(cohort.phenotypes.tobytes()).hexdigest()[:12]}


def recorded_settings(
    options: DiffusionOptions,
    cohort: PreparedCohort,
    extra_ecgs: ECGCohort | None,
    autoencoder: SliceAutoencoder,
    cines: Cines | None = None,
    start: Start | None = None,
) -> dict:
    """What must not change between the start of a training and its continuation; it names no path.

    A training of stills is recorded as it was before there was motion. One without further fields of the person, or
    without --init, is recorded as it was before there were any.
    """
    settings = {key: value for key, value in asdict(options).items() if key not in options.MAY_CHANGE}
    settings["more_ecgs"] = extra_ecgs and extra_ecgs.folder.name  # a hash: who is in it, and what is known of them
    settings |= phenotypes_sha256(cohort)
    for stage in ("autoencoder", "segmenter"):  # their folders say how long they learned
        del settings["stage_steps"][stage]
    del settings["motion"]
    if not options.person_fields:
        del settings["person_fields"]
    if cines is None:
        del settings["cines"], settings["stage_steps"]["motion"]
    else:
        settings["cines"] = f"{len(cines.rows)} of {array_sha256(cines.folder, IMAGES)}"
        settings |= tables_sha256(options.data, options.more_ecgs)
    settings |= {"init": start.sha256} if start is not None else {}
    return settings | {"cohort": cohort.folder.name, "autoencoder": autoencoder_fingerprint(autoencoder)}
