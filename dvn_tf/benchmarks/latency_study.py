"""Measures the latency of a finished run, or of a scenario without training it."""

import pathlib
from collections.abc import Sequence

import numpy as np

from dvn_tf import data
from dvn_tf.benchmarks import latency
from dvn_tf.benchmarks.latency_report import write_latency_report
from dvn_tf.errors import UserError
from dvn_tf.export.accuracy import load_images
from dvn_tf.export.selection import select_networks
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.training import configuration, fitting
from dvn_tf.training.run_folder import RunFolder

_RANDOM_IMAGES = 64


def study_run(
    run_dir,
    task: str | None = None,
    out_dir=None,
    data_dir=None,
    imports: Sequence[str] = (),
    **settings,
) -> dict:
    """Measures all levels of one task of a finished run, and writes the report.

    Args:
        run_dir: the run's folder.
        task: a task's name; None is the first task.
        out_dir: the folder to write to; None is <run_dir>/latency.
        data_dir: the folder of TFDS; None is TFDS's own. If the task's images cannot be loaded,
            random ones are used.
        imports: Python modules that the run's settings may import, such as a backbone's.
        **settings: further arguments of `measure_task`.

    Returns:
        What `measure_task` returns.

    Raises:
        UserError: if the run or a setting cannot be used.
    """
    configuration.import_modules(imports)
    latency.set_threads(settings["threads"])
    folder = RunFolder(run_dir)
    network = folder.load_model()
    task = _checked_task(network, task)
    loaded = load_images(folder, [task], data_dir, imports=imports)
    images = loaded[task].test.images if loaded else None
    title = f"Speed of the levels of {folder.path.name}"
    return _report(network, task, out_dir or folder.path / "latency", images, title, settings)


def study_untrained(
    files: Sequence[str],
    params: Sequence[str],
    task: str | None = None,
    out_dir=None,
    imports: Sequence[str] = (),
    **settings,
) -> dict:
    """Measures all levels of one task of a scenario without training it, and writes the report.

    Args:
        files: gin files.
        params: gin bindings.
        task: a task's name; None is the first task.
        out_dir: the folder to write to; None is latency/<scenario>.
        imports: Python modules that the gin files may import.
        **settings: further arguments of `measure_task`.

    Returns:
        What `measure_task` returns.

    Raises:
        UserError: if a setting cannot be used.
    """
    scenario, recipe, _ = configuration.read_config(files, params, imports)
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
        text = write_latency_report(folder, figures, title)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error
    print(f"\n{text}\nWrote latency.md, latency.json and latency.png to {folder}/")
    return figures


def _checked_task(network: DeepVirtualNetwork, task: str | None) -> str:
    """The name of a task after checking that the network has it; None is the first task."""
    if task is None:
        return network.tasks[0].name
    select_networks(network, task, None)
    return task
