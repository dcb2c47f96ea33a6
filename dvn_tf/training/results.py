"""The results of a run: the network for all tasks, and the contents of `results.json`."""

from collections.abc import Mapping, Sequence

import numpy as np

from dvn_tf.data import TaskData
from dvn_tf.data.pipelines import ALL, Share
from dvn_tf.methods import Stage
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks import objectives
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.warm_start import warm_start
from dvn_tf.tasks import output_name
from dvn_tf.training import evaluation
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.provenance import provenance
from dvn_tf.training.schema import SCHEMA_VERSION
from dvn_tf.training.sizes import output_densities, size_names
from dvn_tf.units import UnitTable


def final_network(
    scenario: Scenario,
    stages: Sequence[Stage],
    networks: Mapping[str, DeepVirtualNetwork],
    map_size: int,
) -> DeepVirtualNetwork:
    """The network that serves all tasks of a scenario when its stages are done.

    If the last stage's network has all tasks, it is that one. Otherwise the network is assembled:
    each task's virtual networks come from the last stage that had the task.

    Args:
        scenario: the scenario.
        stages: the stages, in their order.
        networks: their trained networks, by name.
        map_size: see `dvn_tf.tasks.input_strides`.
    """
    last = networks[stages[-1].name]
    names = [task.name for task in scenario.tasks]
    if list(last.tasks_by_name) == names:
        return last
    owners = {name: networks[stage.name] for stage in stages for name in stage.tasks}
    rows = [owners[name].table.rows[list(owners[name].tasks_by_name).index(name)] for name in names]
    network = DeepVirtualNetwork(
        [owners[name].tasks_by_name[name] for name in names],
        UnitTable(tuple(rows), last.table.num_units),
        last.backbone,
        last.partition,
        weight_decay=last.weight_decay,
        map_size=map_size,
        dtype=last.policy,
        heads={name: owners[name].heads[name] for name in names},
        padding=last.padding,
        name=last.name,
    )
    for stage in stages:
        warm_start(networks[stage.name], network, new_tasks=False)
    return network


def collect_results(
    experiment: Experiment,
    records: Sequence[dict],
    networks: Sequence[tuple[DeepVirtualNetwork, int]],
    task_data: Sequence[TaskData],
    share: Share = ALL,
) -> tuple[dict, dict[str, np.ndarray]]:
    """Measures every output on its task's test images, and counts what it costs.

    Args:
        experiment: scenario, recipe and method.
        records: for each stage, what `train_stage` returned.
        networks: the networks that the method stores, each with the number of its first level.
        task_data: the images of all tasks, in the scenario's order.
        share: the part of every batch that this process gets.

    Returns:
        What `results.json` holds: "schema_version", names and settings, "num_networks", N_T as
        "parameters" and "parameters_paper" of all networks, "seconds" of training, "stages",
        "outputs", and the "provenance" of it all. And for each output which test images it
        classified correctly; {} where several processes measure together.
    """
    scenario, recipe = experiment.scenario, experiment.recipe
    by_name = {data.task.name: data for data in task_data}
    outputs, correct = {}, {}
    for network, first_level in networks:
        outputs |= _outputs(network, first_level, by_name, experiment, share)
        if share == ALL:
            correct |= _correct_images(network, first_level, by_name, recipe.batch_size)
    stored = [network.stored_parameters() for network, _ in networks]
    order = [task.name for task in scenario.tasks]
    outputs = dict(sorted(outputs.items(), key=lambda item: order.index(item[0].rsplit("/", 1)[0])))
    results = {
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario.name,
        "kind": "sequential" if scenario.sequential else "joint",
        "method": experiment.method_name,
        "title": experiment.method_title,
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "backbone": scenario.backbone.name,
        "batch_size": recipe.batch_size,
        "units": networks[-1][0].table.num_units,
        "levels": len(outputs) // len(order),
        "tasks": {
            name: {
                "classes": data.info.num_classes,
                "train_images": len(data.train),
                "test_images": len(data.test),
            }
            for name, data in by_name.items()
        },
        "num_networks": len(networks),
        "parameters": sum(everything for _, everything in stored),
        "parameters_paper": sum(kernels for kernels, _ in stored),
        "seconds": round(sum(record["seconds"] for record in records), 3),
        "outputs": outputs,
        "stages": list(records),
        "provenance": provenance(
            backend for record in records for backend in record.get("backends", ())
        ),
    }
    if all("multiply_adds" in record for record in records):  # those of before 0.7 have none
        results["training_multiply_adds"] = sum(record["multiply_adds"] for record in records)
    return results, {name: correct[name] for name in outputs if name in correct}


def results_text(results: dict) -> str:
    """The outputs of a run as a table of text, one line a virtual network.

    Args:
        results: what `results.json` holds.

    Returns:
        Lines with task, level, size, units, parameters in both counts, and accuracy.
    """
    head = ("task", "level", "size", "units", "parameters", "paper's count", "accuracy")
    sizes = size_names({name: output["density"] for name, output in results["outputs"].items()})
    rows = [head]
    for name, output in results["outputs"].items():
        level = name.rsplit("/level", 1)[1]
        task, size = sizes[name]
        rows.append(
            (
                task,
                level,
                size,
                " ".join(map(str, output["units"])),
                f"{output['parameters']:,}",
                f"{output['parameters_paper']:,}",
                f"{output['accuracy']:.2%}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, 3) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _correct_images(network, first_level, task_data, batch_size) -> dict[str, np.ndarray]:
    used = [task_data[name] for name in network.tasks_by_name]
    found = evaluation.correct_images(network, used, network.outputs_by_task, batch_size)
    return {
        output_name(task.name, first_level + level - 1): found[name]
        for name, (task, level, _) in network.virtual_networks.items()
    }


def _outputs(network, first_level, task_data, experiment, share) -> dict[str, dict]:
    scenario, batch_size = experiment.scenario, experiment.recipe.batch_size
    network.compile(**objectives.joint_objective(network.virtual_networks))
    used = [task_data[name] for name in network.tasks_by_name]
    measured = evaluation.evaluate(network, used, network.outputs_by_task, batch_size, share)
    costs, densities = network.costs(), output_densities(network, scenario.backbone)
    results = {}
    for name, (task, level, units) in network.virtual_networks.items():
        results[output_name(task.name, first_level + level - 1)] = measured[name] | {
            "units": list(units),
            "parameters": costs[name].parameters,
            "parameters_paper": costs[name].parameters_paper,
            "density": densities[name],
            "bytes": costs[name].bytes,
            "multiply_adds": costs[name].multiply_adds,
        }
    return results
