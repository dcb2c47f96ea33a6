"""One process of `dvn_tf.benchmarks.scaling`: trains some steps whenever it reads a line.

    python -m dvn_tf.benchmarks.scaled_step SETTINGS CORE

SETTINGS is JSON: the gin files and parameters of a scenario.
"""

import json
import os
import sys
import time

_STEPS = 3  # of a turn


def main(settings: str, core: str) -> None:
    """Pins the process to a core and trains its share of random batches."""
    os.sched_setaffinity(0, [int(core)])  # before any pool of threads is made
    from dvn_tf import data, distribution
    from dvn_tf.benchmarks.training_step import random_batch
    from dvn_tf.data.pipelines import Share
    from dvn_tf.distribution.devices import data_parallel
    from dvn_tf.networks import objectives
    from dvn_tf.training import configuration, fitting

    scenario, recipe, _ = configuration.read_config(**json.loads(settings))
    with (
        distribution.joined(distribution.find_place()) as processes,
        data_parallel(processes, recipe.batch_size),
    ):
        tasks = [data.task_info(task) for task in scenario.tasks]
        fitting.prepare_backend(recipe)
        network = fitting.build_network(scenario, tasks, recipe)
        part = Share(processes.index, processes.count).of(recipe.batch_size)
        images, labels = random_batch(tasks, recipe)
        x = {name: batch[part] for name, batch in images.items()}
        y = {
            name: labels[task.name][part] for name, (task, _, _) in network.virtual_networks.items()
        }
        fitting.compile_network(network, recipe, 1000, objectives.joint_objective(y))
        for _ in sys.stdin:
            start = time.perf_counter()
            for _ in range(_STEPS):
                network.train_on_batch(x, y)  # returns figures, so that it waits for its end
            print(f"seconds {(time.perf_counter() - start) / _STEPS:.6f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
