"""The reports of a run: what it prints, and what it writes for TensorBoard while it trains."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence

import keras

from dvn_tf.data import TaskData, pipelines
from dvn_tf.methods import Stage
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training import callbacks, tensorboard
from dvn_tf.training.announcement import run_text, stage_text, stage_title
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.progress import Progress, Timing
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.screen import Screen
from dvn_tf.training.sizes import output_densities


@dataclasses.dataclass
class Reports:
    """What a run prints, and writes for TensorBoard, while its stages train.

    Args:
        experiment: scenario, recipe and method.
        stages: the method's stages.
        folder: the run's folder.
        series: see `dvn_tf.training.runs.run`.
        keras_progress: see `dvn_tf.training.runs.run`.
    """

    experiment: Experiment
    stages: Sequence[Stage]
    folder: RunFolder
    series: tuple[int, int]
    keras_progress: bool

    def __post_init__(self):
        self._estimated = False
        # Of outputs that finished stages have learned and later ones leave as they are.
        self._accuracies: dict[str, float] = {}
        self._densities: dict[str, float] = {}

    def begin(self) -> None:
        """Says what the run will do."""
        if self.series[0] > 1:
            print()
        print(run_text(self.experiment, self.stages, self.folder, self.series), flush=True)

    def begin_stage(self, stage: Stage) -> None:
        """Names a stage, before its images are loaded."""
        if len(self.stages) > 1:
            print(f"\n{stage_title(stage, self.stages)}", flush=True)

    def end_stage(self, stage: Stage, network: DeepVirtualNetwork, record: dict) -> None:
        """Remembers the accuracies of a finished stage, for the average over all tasks.

        If later networks had its tasks, too, they would change.

        Args:
            stage: the stage.
            network: its network.
            record: what `train_stage` returned.
        """
        tasks = [task for stage in self.stages for task in stage.tasks]
        if len(tasks) == len(set(tasks)):
            densities = self._output_densities(network)
            for name, output in record["outputs"].items():
                self._accuracies[name] = output["accuracy"]
                self._densities[name] = densities[name]

    def copied(self, network: DeepVirtualNetwork, folder: RunFolder) -> None:
        """Writes the epochs of a first stage that another run has trained."""
        if not self.folder.writes:
            return
        history = folder.history(self.stages[0].epochs)
        densities = self._output_densities(network)
        num_tasks = len(self.experiment.scenario.tasks)
        tensorboard.write_history(self.folder.path, history, densities, num_tasks)

    @contextlib.contextmanager
    def observers(
        self,
        stage: Stage,
        network: DeepVirtualNetwork,
        task_data: Sequence[TaskData],
    ) -> Iterator[list[keras.callbacks.Callback]]:
        """Says what a stage does, and yields the callbacks that report its training.

        Args:
            stage: the stage.
            network: its network.
            task_data: the tasks that it learns.
        """
        recipe, number = self.experiment.recipe, self.stages.index(stage)
        densities = self._output_densities(network)
        steps = pipelines.steps_per_epoch(task_data, recipe.batch_size)
        print(stage_text(stage, network, task_data, densities, steps) + "\n", flush=True)
        epochs = [stage.epochs for stage in self.stages]
        screen = Screen()
        progress = Progress(
            screen,
            densities,
            epochs,
            number + 1,
            recipe.evaluate_every,
            math.ceil(max(len(data.test) for data in task_data) / recipe.batch_size),
            self.series[1] - self.series[0],
            announce=not self._estimated,
            images_per_step=recipe.batch_size * len(task_data),
        )
        # Keras's own bar is shown instead; what is measured is the same.
        shown = (
            [callbacks.KerasProgress(), Timing(progress.time)]
            if self.keras_progress
            else [progress]
        )
        self._estimated = True
        board = callbacks.TensorBoard(
            self.folder,
            self.experiment.config,
            self._densities | densities,
            sum(epochs[:number]),
            len(self.experiment.scenario.tasks),
            self._accuracies,
            shown[-1],
        )
        try:
            yield [*shown, board] if self.folder.writes else shown
        finally:
            screen.clear()

    def _output_densities(self, network: DeepVirtualNetwork) -> dict[str, float]:
        return output_densities(network, self.experiment.scenario.backbone)
