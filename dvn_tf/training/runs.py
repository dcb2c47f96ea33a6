"""A run: a method's stages one after the other, from the settings to the results.

An interrupted run goes on in the stage where it stopped, and ends with the same files as one that
was not interrupted, apart from times. While a stage trains, only the images that it learns from
are loaded; those of other tasks are not touched. Nothing is written before the settings and the
data are checked and the first network is built, so that a mistake does not claim the folder.
"""

import contextlib
import dataclasses
import zlib

from dvn_tf import data, figures
from dvn_tf.data import TaskData, pipelines
from dvn_tf.distribution import ALONE, Processes
from dvn_tf.methods import Stage
from dvn_tf.networks.network import DeepVirtualNetwork, uncompiled
from dvn_tf.tasks import TaskInfo, common_map_size
from dvn_tf.training import fitting, tensorboard
from dvn_tf.training.announcement import print_results
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.initial_run import (
    check_initial_run,
    copy_first_stage,
    initial_stage_folder,
)
from dvn_tf.training.lock import clear_lock
from dvn_tf.training.reports import Reports
from dvn_tf.training.results import collect_results, final_network
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stages import compile_stage, stage_network, train_stage
from dvn_tf.training.stopping import NEVER, Stop
from dvn_tf.training.together import agree_on_data, training_together


def default_folder(experiment: Experiment, runs_dir="runs") -> RunFolder:
    """Where a run lies unless its user says otherwise: <runs>/<scenario>/<method>/seed<n>."""
    names = (experiment.scenario.name, experiment.method_name, f"seed{experiment.recipe.seed}")
    return RunFolder(f"{runs_dir}/{'/'.join(names)}")


def run(
    experiment: Experiment,
    folder: RunFolder,
    data_dir=None,
    initial_run=None,
    series: tuple[int, int] = (1, 1),
    keras_progress: bool = False,
    stop: Stop = NEVER,
    processes: Processes = ALONE,
    devices: int | None = None,
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
        stop: says after which step to stop.
        processes: those that train the run together, see `dvn_tf.distribution.joined`. The first
            one writes and prints; all of them see the folder.
        devices: how many devices of each process to use, see `data_parallel`.

    Returns:
        What `results.json` holds.

    Raises:
        UserError: if the settings, the data or one of the folders cannot be used, or another
            process trains in the folder.
        Stopped: if `stop` asked for it. The next call goes on after the same step.
    """
    folder.check(experiment.config)
    together = training_together(processes, experiment, folder, stop, devices)
    with together as (folder, stop):
        stages = experiment.method.stages(experiment.scenario, experiment.recipe.epochs)
        results = folder.finished()
        if results is None:
            reports = Reports(experiment, stages, folder, series, keras_progress)
            results = _Run(
                experiment, stages, folder, data_dir, initial_run, reports, stop, processes
            ).finish()
        else:
            clear_lock(folder.path)
            print(f"The run in {folder} is finished.")
        print_results(experiment, stages, folder, results)
    return results


class _Run:
    """An unfinished run.

    Args:
        experiment: scenario, recipe and method.
        stages: the method's stages.
        folder: the run's folder.
        data_dir: the folder of TFDS.
        initial_run: see `run`.
        reports: what the run prints and logs.
        stop: see `run`.
        processes: see `run`.
    """

    def __init__(
        self,
        experiment,
        stages,
        folder: RunFolder,
        data_dir,
        initial_run,
        reports: Reports,
        stop: Stop,
        processes: Processes,
    ):
        self.experiment = experiment
        self.stages = stages
        self.folder = folder
        self.data_dir = data_dir
        self.reports = reports
        self.stop = stop
        self.processes = processes
        self.share = pipelines.Share(processes.index, processes.count)
        self.tasks = {task.name: task for task in experiment.scenario.tasks}
        self.folder.check_training_version()
        infos = [data.task_info(task, data_dir) for task in self.tasks.values()]
        # The same for all stages, even if the tasks of one alone would allow another.
        self.map_size = common_map_size(infos, experiment.scenario.map_size)
        self.networks: dict[str, DeepVirtualNetwork] = {}
        if initial_run is not None:
            check_initial_run(initial_run, stages, experiment, infos[0], self.map_size)
        self.initial_run = initial_run
        self._held = contextlib.ExitStack()  # the lock on the folder
        self._claimed = False

    def finish(self) -> dict:
        """Does the stages that are not done yet, and writes the results."""
        with self._held, pipelines.reading_errors():
            if self.folder.is_claimed():
                self._claim()  # at once: a second process need not load any images
            # Before all networks: how TensorFlow is set up decides the last digits of losses.
            fitting.prepare_backend(self.experiment.recipe)
            self.reports.begin()
            records, task_data = [], {}
            for stage in self.stages:
                folder = self._finished_folder(stage)
                record = folder.stage()
                if record is None:
                    self.reports.begin_stage(stage)
                    task_data = self._load(stage.learned)
                    record = self._train(stage, task_data)
                else:
                    self.networks[stage.name] = folder.load_model()
                self.reports.end_stage(stage, self.networks[stage.name], record)
                records.append(record)
            return self._finish(records, task_data)

    def _finish(self, records: list[dict], task_data: dict[str, TaskData]) -> dict:
        """Measures the networks of all stages, and writes the results."""
        task_data |= self._load([name for name in self.tasks if name not in task_data])
        in_order = [task_data[name] for name in self.tasks]
        self._claim()
        networks, about = self._stored_networks()
        results, correct = collect_results(self.experiment, records, networks, in_order, self.share)
        results |= about
        if self.folder.writes:
            tensorboard.write_run(self.folder.path, results)
        self.folder.write_results(results, correct)
        return results

    def _claim(self) -> None:
        """Takes the folder and its lock for this run, once all is known to be in order."""
        if self._claimed:
            return
        self._held.enter_context(self.folder.lock())
        self.folder.claim(self.experiment.config)
        self._claimed = True
        if self.initial_run is not None:
            first = self.stages[0]
            folder = self._folder(first)
            if self.folder.writes:
                copy_first_stage(self.initial_run, RunFolder(folder.path), first.name)
            self.processes.gather("initial run")
            self.reports.copied(folder.load_model(), folder)

    def _finished_folder(self, stage: Stage) -> RunFolder:
        """Where a stage's network lies, or will lie."""
        if stage is self.stages[0] and self.initial_run is not None and not self._claimed:
            return initial_stage_folder(self.initial_run, stage)
        return self._folder(stage)

    def _folder(self, stage: Stage) -> RunFolder:
        single = len(self.stages) == 1
        return self.folder if single else self.folder.inside(stage.name)

    def _load(self, names) -> dict[str, TaskData]:
        if not self.processes.is_first:
            self.processes.gather("load")  # the first one prepares what is absent
        shown, seed = self.processes.is_first, self.experiment.recipe.seed
        loaded = {n: data.load(self.tasks[n], self.data_dir, shown, seed) for n in names}
        if self.processes.is_first:
            self.processes.gather("load")
        agree_on_data(self.processes, list(loaded.values()))
        return loaded

    def _train(self, stage: Stage, task_data: dict[str, TaskData]) -> dict:
        learned = [task_data[name] for name in stage.learned]
        recipe = dataclasses.replace(self.experiment.recipe, epochs=stage.epochs)
        # Problems with the images must be found before the folder is touched.
        pipelines.steps_per_epoch(learned, recipe.batch_size)
        fitting.prepare_backend(dataclasses.replace(recipe, seed=self._seed(stage)))
        infos = self._known_tasks(stage) | {name: task_data[name].info for name in stage.learned}
        network = stage_network(
            stage, [infos[name] for name in stage.tasks], recipe, self.map_size, self.networks
        )
        compiled = compile_stage(stage, network, learned, recipe, self.networks)
        self._claim()
        folder = self._folder(stage)
        folder.claim(self.experiment.config)
        _draw(network, folder, self.experiment.scenario.name)
        record = {
            "scenario": self.experiment.scenario.name,
            "method": self.experiment.method_name,
            "seed": self.experiment.recipe.seed,
        }
        with self.reports.observers(stage, network, learned) as observers:
            record |= train_stage(
                stage,
                network,
                *compiled,
                learned,
                recipe,
                self.networks,
                folder,
                observers,
                self.stop,
                self.share,
            )
        # As a network that is loaded, so that an interruption here changes nothing either.
        network = uncompiled(network)
        record["model_sha256"] = folder.save_model(network)
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

    def _stored_networks(self) -> tuple[list[tuple[DeepVirtualNetwork, int]], dict]:
        """The networks that serve all tasks, each with the number of its first level.

        A network for all tasks that no stage has written yet is written. The second value is what
        the results say of it.
        """
        if not self.experiment.method.one_network:
            return [(self.networks[stage.name], stage.first_level) for stage in self.stages], {}
        scenario = self.experiment.scenario
        network = final_network(scenario, self.stages, self.networks, self.map_size)
        about = {}
        if len(self.stages) > 1:
            _draw(network, self.folder, scenario.name)
            about["model_sha256"] = self.folder.save_model(network)
        return [(network, 1)], about


def _draw(network: DeepVirtualNetwork, folder: RunFolder, title: str) -> None:
    if not folder.writes:
        return
    names = [task.name for task in network.tasks]
    figures.draw_table(folder.path / "table.png", network.table, names, network.partition, title)
