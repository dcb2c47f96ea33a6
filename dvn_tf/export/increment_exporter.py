"""Writes the levels of a run with causal levels as increments, each on top of the one below."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from dvn_runtime.description import read_description
from dvn_tf.export.accuracy import accuracy_entry, load_images
from dvn_tf.export.card import CARD_FILE, write_card
from dvn_tf.export.formats import checked_formats
from dvn_tf.export.increment_formats import (
    SUFFIXES,
    check_increment_formats,
    open_increment,
    write_increment,
)
from dvn_tf.export.increments import IMAGES, LOGITS, Increment, increments
from dvn_tf.export.manifest import file_facts, open_manifest
from dvn_tf.export.metadata import network_metadata
from dvn_tf.files import atomic_file, refusals_of_libraries
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.tasks import output_name
from dvn_tf.training import configuration
from dvn_tf.training.run_folder import RunFolder


def export_increments(
    run_dir: str | os.PathLike,
    export_dir: str | os.PathLike | None = None,
    formats: Sequence[str] = ("keras", "litert"),
    task: str | None = None,
    data_dir: str | os.PathLike | None = None,
    imports: Sequence[str] = (),
    sign: str | os.PathLike | None = None,
) -> dict:
    """Writes the level-1 network of each task and, for each further level, what it adds.

    Args:
        run_dir: folder of a finished run with `DVN.causal`.
        export_dir: as for `export_run`.
        formats: "keras", "litert" or both.
        task: one task's name; None exports all tasks.
        data_dir: as for `export_run`.
        imports: as for `export_run`.
        sign: as for `export_run`.

    Returns:
        The content of `manifest.json`, whose "increments" are the new entries.

    Raises:
        UserError: as `export_run`, and if the run's levels are not causal.
    """
    formats = check_increment_formats(checked_formats(formats))
    configuration.import_modules(imports)
    folder = RunFolder(run_dir)
    network = folder.load_model()
    tasks = list(network.tasks_by_name) if task is None else [task]
    parts = {name: increments(network, name) for name in tasks}
    manifest = open_manifest(folder, network, export_dir, sign, imports)
    images = load_images(folder, set(tasks), data_dir, imports=imports)
    count = 0
    for format in formats:
        for name in tasks:
            runners, below = [], None
            for increment in parts[name]:
                path = pathlib.Path(
                    "increments", format, f"{increment.name}{SUFFIXES[format]}"
                ).as_posix()
                metadata = _metadata(network, increment, manifest.origin, below)
                entry = {"file": path, "format": format, **_entry(network, increment, metadata)}
                with manifest.update() as add, atomic_file(manifest.folder / path) as temporary:
                    with refusals_of_libraries():
                        write_increment(increment, temporary, format, metadata)
                    runners.append((increment.inputs, open_increment(temporary, format)))
                    entry |= accuracy_entry(chained(runners), images.get(name), "float32")
                    entry |= file_facts(temporary)
                    if format == "litert":
                        described = read_description(temporary.read_bytes()).values
                        entry["network_sha256"] = described["network_sha256"]
                    add(entry, "increments")
                accuracy = (
                    "" if entry["accuracy"] is None else f"  accuracy {entry['accuracy']:.2%}"
                )
                print(f"{path}  {entry['bytes']:,} bytes{accuracy}", flush=True)
                below, count = path, count + 1
    write_card(manifest.folder, manifest.content())
    print(f"\nWrote {count} increments, manifest.json and {CARD_FILE} to {manifest.folder}/")
    return manifest.content()


def chained(runners: Sequence[tuple]):
    """A function from images to the logits of the last of some increments.

    Args:
        runners: for each increment from level 1 on, the names of its inputs and what
            `open_increment` gave.
    """

    def run(images: np.ndarray) -> np.ndarray:
        known = {IMAGES: images}
        for names, runner in runners:
            known |= runner({name: known[name] for name in names})
        return known[LOGITS]

    return run


def _metadata(network: DeepVirtualNetwork, increment: Increment, origin, below) -> dict:
    """What the file of an increment says of itself."""
    task, level = increment.task, increment.level
    units = network.virtual_networks[output_name(task.name, level)][2]
    return network_metadata(task, level, units, "float32", LOGITS, origin) | {
        "adds_to": below,
        "added_units": list(increment.units),
        "inputs": {name: list(x.shape[1:]) for name, x in increment.model.input.items()},
        "outputs": {name: list(x.shape[1:]) for name, x in increment.model.output.items()},
    }


def _entry(network: DeepVirtualNetwork, increment: Increment, metadata: dict) -> dict:
    """What the manifest says of an increment besides its file."""
    task, level, costs = increment.task, increment.level, network.costs()
    cost = costs[output_name(task.name, level)]
    multiply_adds, kernels = cost.multiply_adds, cost.parameters_paper
    if level > 1:
        name = output_name(task.name, level - 1)
        width = network.partition.width(network.feature_widths, network.virtual_networks[name][2])
        _, head = network.heads[task.name].cost(width, task.num_classes)
        lower = costs[name]
        multiply_adds -= lower.multiply_adds - head
        kernels -= lower.parameters_paper
    keys = ("units", "input", "output", "adds_to", "added_units", "inputs", "outputs", "versions")
    return {
        "task": task.name,
        "level": level,
        **{key: metadata[key] for key in keys},
        "parameters": increment.model.count_params(),
        "parameters_paper": kernels,
        "multiply_adds": multiply_adds,
    }
