"""The latency report of a finished run, or of a scenario that was never trained."""

import pathlib
from collections.abc import Sequence

import numpy as np

from dvn_tf import data
from dvn_tf.benchmarks import latency, latency_tables
from dvn_tf.errors import UserError
from dvn_tf.export import opening
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training import fitting
from dvn_tf.training.run_folder import RunFolder

_RANDOM_IMAGES = 64


def run_report(run_dir, task: str | None = None, out_dir=None, data_dir=None, **settings) -> dict:
    """Measures the levels of one task of a finished run and writes the report.

    Args:
        run_dir: the run's folder.
        task: a task's name; None is the first.
        out_dir: the folder to write to; None is <run_dir>/latency.
        data_dir: the folder of TFDS; without the data, random images are used.
        **settings: of `measure_task`.

    Returns:
        What `measure_task` gives.

    Raises:
        UserError: if the run or a setting cannot be used.
    """
    if not run_dir:
        raise UserError("nothing to time: give --run_dir, or --gin_file with --untrained")
    latency.set_threads(settings["threads"])
    folder = RunFolder(run_dir)
    network = folder.load_model()
    task = _checked_task(network, task)
    loaded = opening.load_images(folder, [task], data_dir)
    images = loaded[task].test.images if loaded else None
    title = f"Speed of the levels of {folder.path.name}"
    return _report(network, task, out_dir or folder.path / "latency", images, title, settings)


def untrained_report(
    files: Sequence[str], params: Sequence[str], task: str | None = None, out_dir=None, **settings
) -> dict:
    """Measures the levels of one task of a scenario whose network was not trained.

    Args:
        files: gin files.
        params: gin bindings.
        task: a task's name; None is the first.
        out_dir: the folder to write to; None is latency/<scenario>.
        **settings: of `measure_task`.

    Returns:
        What `measure_task` gives.

    Raises:
        UserError: if a setting cannot be used.
    """
    from dvn_tf.training import configuration

    scenario, recipe, _ = configuration.read_config(files, params)
    latency.set_threads(settings["threads"])
    infos = [data.task_info(one) for one in scenario.tasks]
    network = fitting.build_network(scenario, infos, recipe)
    title = f"Speed of {scenario.name}'s levels, not trained"
    out_dir = out_dir or pathlib.Path("latency", scenario.name)
    return _report(network, _checked_task(network, task), out_dir, None, title, settings)


def _report(network, task, out_dir, images, title, settings) -> dict:
    folder = pathlib.Path(out_dir)
    if images is None:
        [info] = [info for info in network.tasks if info.name == task]
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (_RANDOM_IMAGES, *info.image_shape), np.uint8)
    try:
        figures = latency.measure_task(network, task, folder, images, **settings)
        text = latency_tables.write_report(folder, figures, title)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error
    print(f"\n{text}\nlatency.md, latency.json and latency.png lie in {folder}/")
    return figures


def _checked_task(network: DeepVirtualNetwork, task: str | None) -> str:
    """The name of a task that the network has."""
    if task is None:
        return network.tasks[0].name
    opening.choose_networks(network, task, None)
    return task
