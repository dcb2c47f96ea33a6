"""From a run to the gin file of its learned table, and a picture of the affinities."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from dvn_runtime.files import read_bytes
from dvn_tf import data, markdown, table_rules
from dvn_tf.data import progress
from dvn_tf.errors import UserError, one_line
from dvn_tf.figures import agg_figure, fill_table
from dvn_tf.files import atomic_file, write_text
from dvn_tf.methods import DVN
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.table_rules import LEARNED
from dvn_tf.training import configuration
from dvn_tf.training.affinity import task_affinities, unit_networks
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.gin_files.parser import TEXT_LIMIT
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.units import UnitPartition, UnitTable

_FIRST_LINE = "# The learned table of "
_NUMBERED = 16  # units at most in a picture with numbers
Affinity = tuple[tuple[float, ...], ...]  # for each task, a share for each unit


def learn_table(
    run_dir: str | os.PathLike,
    out: str | os.PathLike | None = None,
    num_images: int = 2_000,
    data_dir: str | os.PathLike | None = None,
    imports: Sequence[str] = (),
) -> pathlib.Path:
    """Measures the affinities in a run, prints them, and writes a gin file and a picture.

    Args:
        run_dir: the folder of a finished run of the DVN; a short one does.
        out: the gin file to write; None is affinity.gin in the run's folder. The picture lies
            beside it.
        num_images: how many training images of each task to draw, at most.
        data_dir: the folder of TFDS; None is TFDS's own.
        imports: Python modules that the run's settings may import, such as a backbone's.

    Returns:
        The gin file's path.

    Raises:
        UserError: if the run, its data or the file cannot be used. Nothing is written then.
    """
    data.check_data_dir(data_dir)
    configuration.import_modules(imports)
    folder = RunFolder(run_dir)
    out = folder.path / "affinity.gin" if out is None else pathlib.Path(out)
    picture = out.with_suffix(".png")
    _check_replaceable(out, picture)
    experiment, network = _read_run(folder, imports)
    networks = unit_networks(network)
    affinity, seed = [], experiment.recipe.seed
    pairs = zip(experiment.scenario.tasks, network.tasks, strict=True)
    for number, (task, known) in enumerate(pairs, start=1):
        print(f"Task {number} of {len(networks)}, {task.name}", flush=True)
        loaded = data.load(task, data_dir, show_progress=True, seed=seed)
        _check_images(loaded, known)
        with progress.shown(True):
            row = task_affinities(networks, network.tasks, loaded, num_images, seed)
        affinity.append(tuple(round(share, 6) for share in row))
    names, affinity = list(network.tasks_by_name), tuple(affinity)
    print(_text(names, affinity), flush=True)
    write_text(out, _gin_text(names, affinity, folder, num_images))
    _draw(picture, names, affinity, network.partition)
    print(f"\nWrote {out} and {picture}")
    return out


def _read_run(folder: RunFolder, imports: Sequence[str]) -> tuple[Experiment, DeepVirtualNetwork]:
    if folder.finished() is None:
        raise UserError(
            f"{folder} holds no finished run: give the --run_dir of one, or let the run finish "
            "with the command that started it"
        )
    experiment = configuration.read_run_config(folder.path / "config.gin", imports)
    scenario = experiment.scenario
    if not isinstance(experiment.method, DVN) or scenario.sequential:
        kind = "sequential" if scenario.sequential else "joint"
        raise UserError(
            f"{folder} holds a {kind} run of {experiment.method.title}: affinities need a joint "
            "run of the DVN"
        )
    network = folder.load_model()
    names = [task.name for task in scenario.tasks]
    if list(network.tasks_by_name) != names:
        raise UserError(
            f"the config.gin of {folder} is not of its model.keras, which has the tasks "
            f"{', '.join(network.tasks_by_name)}: put back a copy of it"
        )
    return experiment, network


def _check_images(loaded: data.TaskData, known: data.TaskInfo) -> None:
    """Checks that a task's images are such as the run was trained on."""
    now, then = (
        f"{info.num_classes} classes, images of {' x '.join(map(str, info.image_shape))}"
        for info in (loaded.info, known)
    )
    if now != then:
        raise UserError(
            f"the data of task {known.name!r} has changed since the run was trained ({now}; then "
            f"{then}): restore it, or train another run"
        )


def _check_replaceable(out: pathlib.Path, picture: pathlib.Path) -> None:
    """Checks that no other file would be lost."""
    first = _FIRST_LINE.encode()
    if out.exists() and not read_bytes(out, TEXT_LIMIT).startswith(first):
        raise UserError(f"{out} exists and is no learned table: choose another --out")
    if picture.exists() and not out.exists():
        raise UserError(f"{picture} exists and would be replaced: choose another --out")


def _text(names: Sequence[str], affinity: Affinity) -> str:
    """The affinities, and the order in which units enter beside the paper's, as two tables."""
    count = len(names)
    head = ["affinity", *(f"unit {unit}" for unit in range(1, count + 1))]
    shares = ([f"{share:.2%}" for share in row] for row in affinity)
    rows = [[name, *row] for name, row in zip(names, shares, strict=True)]
    orders = zip(
        names,
        table_rules.paper_orders(count, count, 1),
        table_rules.learned_orders(affinity, count),
        strict=True,
    )
    entering = [[name, *(" ".join(map(str, units)) for units in both)] for name, *both in orders]
    second = markdown.table(["units enter", "paper's rule", "learned"], entering)
    return "\n".join(["", *markdown.table(head, rows), "", *second])


def _gin_text(names: Sequence[str], affinity: Affinity, folder: RunFolder, num_images: int) -> str:
    lines = [
        f"{_FIRST_LINE}{one_line(folder)}: accuracies of linear probes,",
        f"# fitted to and measured on at most {num_images:,} training images of each task.",
        f"Scenario.table_rule = {LEARNED!r}",
        "Scenario.affinity = (",
        *(f"    {row!r},  # {name}" for name, row in zip(names, affinity, strict=True)),
        ")",
        f"Experiment.variant = {LEARNED!r}",
    ]
    return "\n".join(lines) + "\n"


def _draw(
    path: pathlib.Path, names: Sequence[str], affinity: Affinity, partition: UnitPartition
) -> None:
    """Draws the affinities as a heat map, and the table beside it."""
    count = len(names)
    orders = table_rules.learned_orders(affinity, count)
    table = UnitTable(table_rules.rows_by_orders(orders, range(1, count + 1)), count)
    percent = 100 * np.array(affinity)
    # Tasks differ in how hard they are, and the choice is among the units of a row.
    relative = percent - percent.mean(axis=1, keepdims=True)
    limit = max(np.abs(relative).max(), 1e-9)
    figure = agg_figure(figsize=(3.4 + 2.4 * count, 1.3 + 1.2 * count), layout="constrained")
    heat, cells = figure.subplots(1, 2)
    image = heat.imshow(relative, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    if count <= _NUMBERED:
        for (task, unit), value in np.ndenumerate(percent):
            colour = "white" if abs(relative[task, unit]) > 0.6 * limit else "black"
            heat.text(unit, task, f"{value:.1f} %", ha="center", va="center", color=colour)
    heat.set_xticks(range(count), [f"unit {unit}" for unit in range(1, count + 1)])
    heat.set_yticks(range(count), names)
    heat.xaxis.tick_top()
    heat.tick_params(length=0)
    heat.set_title("accuracy of a linear probe", pad=12)
    figure.colorbar(image, label="points above or below the task's mean", shrink=0.8)
    fill_table(cells, table, names, partition)
    cells.set_yticks([])  # as on the left
    cells.set_title("learned table", pad=12)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")
