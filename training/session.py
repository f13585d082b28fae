"""Where and how one stage learns: its folder, its recipe, its processes and its seed."""

from dataclasses import asdict, dataclass

import torch
from accelerate import Accelerator
from torch import Generator, Tensor

from cohort.disk import writing

from .order import keyed_generator, rows_of_step
from .plan import Plan
from .recipe import Recipe
from .run import Run
from .training_page import TrainingPage

PROJECT = "ecg-to-mri"  # as trackers call it; each stage is one run of it


@dataclass(frozen=True)
class Session:
    """One stage of a training, on this process.

    Attributes:
        stage: its name in the plan of a training of several; a stage alone is called by its task's title.
        plan: of the whole training, None of a stage alone.
        page: that shows the whole training, None of a stage alone.
        begun: whether the stage begins with trained weights. Then these count among those of which the best are kept.
    """

    run: Run
    recipe: Recipe
    accelerator: Accelerator
    seed: int
    stage: str = ""
    plan: Plan | None = None
    page: TrainingPage | None = None
    begun: bool = False

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    @property
    def main(self) -> bool:
        """Whether this process writes."""
        return self.accelerator.is_main_process

    def generator(self, name: str, step: int) -> Generator:
        """The randomness of one step on this process; `name` tells several uses apart."""
        return keyed_generator(self.seed, name, step, self.accelerator.process_index)

    def rows(self, rows: Tensor, batch: int, step: int) -> Tensor:
        """The examples (batch,) that this process sees at a step, of `rows` (n,)."""
        place = (self.accelerator.process_index, self.accelerator.num_processes)
        return rows_of_step(rows, batch, step, self.seed, *place)

    def start_trackers(self, title: str) -> None:
        """Open the trackers of --log-with, one run a stage; TensorBoard's lies in the run's folder."""
        if not self.accelerator.log_with:
            return
        for tracker in self.accelerator.trackers:  # of the stage before
            tracker.finish()
        self.accelerator.trackers = []
        self.accelerator.project_configuration.logging_dir = str(self.run.folder / "tensorboard")
        names = {"wandb": {"name": title}, "mlflow": {"run_name": title}}
        with writing(self.run.folder):
            self.accelerator.init_trackers(PROJECT, asdict(self.recipe) | {"seed": self.seed}, names)

    def planned(self, title: str) -> tuple[str, Plan]:
        """The stage's name and the plan that it stands in; a task alone is a plan of one."""
        if self.plan is not None and self.stage in self.plan.left:
            return self.stage, self.plan
        return title, Plan({title: self.recipe.steps})

    def show(self, title: str, now: str) -> None:
        """Write the page of the training anew; a task alone has one in its run's folder. now: what goes on."""
        page = self.page or TrainingPage(self.run.folder, {title: self.run.folder})
        page.write(now)

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """One line of metrics.jsonl, and the same to the trackers."""
        self.run.log(step, **metrics)
        with writing(self.run.folder):
            self.accelerator.log(metrics, step=step)
