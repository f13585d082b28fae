"""Which stages a training goes through, and how long they will take, as far as this process can tell."""

from dataclasses import dataclass, field


@dataclass
class Plan:
    """The stages that learn, in their order.

    Attributes:
        left: steps of each stage that were to be done when this process began.
        speed: seconds a step, of the stages that this process has timed. Nothing else is known of any.
    """

    left: dict[str, int]
    speed: dict[str, float] = field(default_factory=dict)

    def leave_out(self, stage: str) -> None:
        """Take a stage out that turns out to have nothing to learn from."""
        self.left.pop(stage, None)

    def timed(self, stage: str, left: int, seconds_a_step: float) -> None:
        """Take note of how many steps a stage has left, and how long each takes."""
        self.left[stage], self.speed[stage] = left, seconds_a_step

    def place(self, stage: str) -> str:
        """Where a stage stands among the others: "stage 2 of 5: condition"; of a single one its name alone."""
        names = list(self.left)
        return f"stage {names.index(stage) + 1} of {len(names)}: {stage}" if len(names) > 1 else stage

    def line(self, stage: str) -> str:
        """What is said when a stage begins."""
        return f"{self.place(stage)}, {self.time_left(stage)}"

    def time_left(self, stage: str) -> str:
        """The time left in all, from the beginning of a stage on; or of which stages it is not known."""
        names = list(self.left)
        to_do = [name for name in names[names.index(stage) :] if self.left[name] > 0]
        untimed = [name for name in to_do if name not in self.speed]
        seconds = sum(self.left[name] * self.speed[name] for name in to_do if name in self.speed)
        if not to_do:
            return "nothing left to learn"
        if not untimed:
            return f"{in_words(seconds)} left in all"
        unknown = f"not known yet for {', '.join(untimed)}"
        return f"time left {unknown}" if len(untimed) == len(to_do) else f"{in_words(seconds)} left in it, {unknown}"


def in_words(seconds: float) -> str:
    """A time as one says it: "about 40 min", "about 3 h 20 min"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return f"about {minutes} min"
    hours, minutes = divmod(round(minutes / 10) * 10, 60)
    return f"about {hours} h" + (f" {minutes} min" if minutes else "")
