"""A run: a method's stages one after the other, from the settings to the results.

An interrupted run goes on in the stage where it stopped. While a stage trains, only the images
that it learns from are loaded; those of other tasks are not touched.
"""

import dataclasses
import zlib

from dvn_tf import data, figures
from dvn_tf.data import TaskData, pipelines
from dvn_tf.errors import UserError
from dvn_tf.methods import Stage
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import TaskInfo, common_map_size
from dvn_tf.training import fitting, tensorboard
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.initial_run import check_initial_run, copy_first_stage
from dvn_tf.training.reports import Reports
from dvn_tf.training.results import collect_results, final_network, results_text
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stages import stage_network, train_stage


def default_folder(experiment: Experiment, runs_dir="runs") -> RunFolder:
    """Where a run lies unless its user says otherwise: <runs>/<scenario>/<method>/seed<n>."""
    names = (experiment.scenario.name, experiment.method.name, f"seed{experiment.recipe.seed}")
    return RunFolder(f"{runs_dir}/{'/'.join(names)}")


def run(
    experiment: Experiment,
    folder: RunFolder,
    data_dir=None,
    initial_run=None,
    series: tuple[int, int] = (1, 1),
    keras_progress: bool = False,
) -> dict:
    """Trains what a method trains on a scenario, and writes a run folder.

    An interrupted run goes on where it stopped. Of a finished run, only the results are printed.

    Args:
        experiment: scenario, recipe and method.
        folder: the run's folder.
        data_dir: the folder of TFDS; None is TFDS's own.
        initial_run: folder of a run of the same sequence; its first stage is copied instead of
            trained.
        series: the number of this run and of all runs that a program does.
        keras_progress: whether to show Keras's own progress bar, with every metric.

    Returns:
        What `results.json` holds.

    Raises:
        UserError: if the settings, the data or one of the folders cannot be used.
    """
    scenario, recipe, method = experiment.scenario, experiment.recipe, experiment.method
    stages = method.stages(scenario, recipe.epochs)
    folder.check(experiment.config)
    results = folder.results()
    if results is None:
        reports = Reports(experiment, stages, folder, series, keras_progress)
        results = _Run(experiment, stages, folder, data_dir, initial_run, reports).finish()
    else:
        print(f"The run in {folder} is finished.")
    epochs = f"{results['epochs']} epoch{'s' if results['epochs'] > 1 else ''} a task"
    print(
        f"\n{scenario.name}, {results['title']}: {results['backbone']}, {epochs}, "
        f"seed {results['seed']}\n"
    )
    print(results_text(results))
    trained = (
        folder.path if len(stages) == 1 or method.one_network else f"{folder}/{stages[0].name}"
    )
    print(
        f"\nEverything lies in {folder}/: results.json, the networks, TensorBoard's logs.\n"
        f"TensorBoard:  tensorboard --logdir {_log_dir(experiment, folder)}\n"
        f"Export:       python -m experiments.export --run_dir={trained}",
        flush=True,
    )
    return results


def _log_dir(experiment: Experiment, folder: RunFolder):
    """The folder of all methods' runs, where this is one of them."""
    names = (experiment.method.name, f"seed{experiment.recipe.seed}")
    return folder.path.parents[1] if folder.path.parts[-2:] == names else folder.path


class _Run:
    """An unfinished run.

    Args:
        experiment: scenario, recipe and method.
        stages: the method's stages.
        folder: the run's folder.
        data_dir: the folder of TFDS.
        initial_run: see `run`.
        reports: what the run prints and logs.
    """

    def __init__(
        self, experiment, stages, folder: RunFolder, data_dir, initial_run, reports: Reports
    ):
        self.experiment = experiment
        self.stages = stages
        self.folder = folder
        self.data_dir = data_dir
        self.reports = reports
        self.tasks = {task.name: task for task in experiment.scenario.tasks}
        reserved = {"average", "checkpoints", "export", "tensorboard"}
        taken = sorted(reserved & {*self.tasks, *(stage.name for stage in stages)})
        if taken:
            raise UserError(
                f"a task cannot be named {taken[0]!r}: a run uses that name itself; choose another "
                "name"
            )
        for stage in stages:  # a stage may be too short for the recipe
            dataclasses.replace(experiment.recipe, epochs=stage.epochs)
        self.folder.check_training_version()
        infos = [data.task_info(task, data_dir) for task in self.tasks.values()]
        # The same for all stages, even if the tasks of one alone would allow another.
        self.map_size = common_map_size(infos, experiment.scenario.map_size)
        self.networks: dict[str, DeepVirtualNetwork] = {}
        if initial_run is not None:
            check_initial_run(initial_run, stages, experiment, infos[0], self.map_size)
        self.initial_run = initial_run

    def finish(self) -> dict:
        """Does the stages that are not done yet, and writes the results."""
        self.reports.begin()
        records, task_data = [], {}
        for number, stage in enumerate(self.stages):
            if number == 0 and self.initial_run is not None:
                self.folder.claim(self.experiment.config)
                copy_first_stage(self.initial_run, self._folder(stage), stage.name)
            record = self._folder(stage).stage()
            if record is None:
                self.reports.begin_stage(stage)
                task_data = self._load(stage.learned)
                record = self._train(stage, task_data)
            else:
                self.networks[stage.name] = self._folder(stage).load_model()
                if number == 0 and self.initial_run is not None:
                    self.reports.copied(self.networks[stage.name], self._folder(stage))
            self.reports.end_stage(stage, self.networks[stage.name], record)
            records.append(record)
        task_data |= self._load([name for name in self.tasks if name not in task_data])
        in_order = [task_data[name] for name in self.tasks]
        results = collect_results(self.experiment, records, self._stored_networks(), in_order)
        tensorboard.write_run(self.folder.path, results)
        self.folder.write_results(results)
        return results

    def _folder(self, stage: Stage) -> RunFolder:
        single = len(self.stages) == 1
        return self.folder if single else RunFolder(self.folder.path / stage.name)

    def _load(self, names) -> dict[str, TaskData]:
        tasks = [self.tasks[name] for name in names]
        return {task.name: data.load(task, self.data_dir, show_progress=True) for task in tasks}

    def _train(self, stage: Stage, task_data: dict[str, TaskData]) -> dict:
        learned = [task_data[name] for name in stage.learned]
        recipe = dataclasses.replace(self.experiment.recipe, epochs=stage.epochs)
        # Problems with the images must be found before the folder is touched.
        pipelines.steps_per_epoch(learned, recipe.batch_size)
        config, folder = self.experiment.config, self._folder(stage)
        self.folder.claim(config)
        folder.claim(config)
        fitting.prepare_backend(dataclasses.replace(recipe, seed=self._seed(stage)))
        infos = self._known_tasks(stage) | {name: task_data[name].info for name in stage.learned}
        network = stage_network(
            stage, [infos[name] for name in stage.tasks], recipe, self.map_size, self.networks
        )
        _draw(network, folder, self.experiment.scenario.name)
        record = {
            "scenario": self.experiment.scenario.name,
            "method": self.experiment.method.name,
            "seed": self.experiment.recipe.seed,
        }
        with self.reports.observers(stage, network, learned) as observers:
            record |= train_stage(stage, network, learned, recipe, folder, observers, self.networks)
        folder.save_model(network)
        folder.write_stage(record)
        self.networks[stage.name] = network
        return record

    def _known_tasks(self, stage: Stage) -> dict[str, TaskInfo]:
        """The tasks of earlier networks; their images are not loaded again."""
        known = {}
        for name in stage.starts_from:
            known |= self.networks[name].tasks_by_name
        return known

    def _seed(self, stage: Stage) -> int:
        """The seed of a stage's first weights; stages of one shape must not start equal."""
        seed = self.experiment.recipe.seed
        if stage is self.stages[0]:
            return seed
        return zlib.crc32(f"{seed}/{stage.name}".encode())

    def _stored_networks(self) -> list[tuple[DeepVirtualNetwork, int]]:
        """The networks that serve all tasks, each with the number of its first level."""
        if not self.experiment.method.one_network:
            return [(self.networks[stage.name], stage.first_level) for stage in self.stages]
        scenario = self.experiment.scenario
        network = final_network(scenario, self.stages, self.networks, self.map_size)
        if len(self.stages) > 1:
            _draw(network, self.folder, scenario.name)
            self.folder.save_model(network)
        return [(network, 1)]


def _draw(network: DeepVirtualNetwork, folder: RunFolder, title: str) -> None:
    names = [task.name for task in network.tasks]
    figures.draw_table(folder.path / "table.png", network.table, names, network.partition, title)
