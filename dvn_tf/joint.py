"""Joint learning: k tasks at n_h levels in one network, from the settings to the results."""

from dvn_tf import data, reports, training
from dvn_tf.data import pipelines
from dvn_tf.run_folder import RunFolder
from dvn_tf.scenarios import Recipe, Scenario


def run_joint(
    scenario: Scenario,
    recipe: Recipe,
    config: str,
    run_dir=None,
    data_dir=None,
) -> dict:
    """Trains a deep virtual network on a scenario and writes its run folder.

    An interrupted run goes on where it stopped; a finished one is only reported.

    Args:
        scenario: tasks, units and backbone.
        recipe: the hyper-parameters.
        config: the operative configuration, a gin file's text.
        run_dir: the run's folder; None is runs/<scenario>/dvn/seed<n>.
        data_dir: the folder of TFDS; None is TFDS's own.

    Returns:
        What `results.json` holds.

    Raises:
        UserError: if the settings, the data or the run folder cannot be used.
    """
    folder = RunFolder(run_dir or f"runs/{scenario.name}/dvn/seed{recipe.seed}")
    folder.check(config)
    results = folder.results()
    if results is None:
        # All that can be wrong with the data is found before the folder is touched.
        datas = [data.load(task, data_dir) for task in scenario.tasks]
        pipelines.steps_per_epoch(datas, recipe.batch_size)
        folder.claim(config)
        results = _train(scenario, recipe, config, folder, datas)
    else:
        print(f"The run in {folder} is finished.")
    print(f"\n{scenario.name}: {scenario.backbone.name}, {results['epochs']} epochs\n")
    print(reports.results_table(results))
    print(
        f"\nEverything lies in {folder}/: model.keras, results.json, table.png and more.\n"
        f"TensorBoard:  tensorboard --logdir {folder}/tensorboard\n"
        f"Export:       python -m experiments.export --run_dir={folder}"
    )
    return results


def _train(scenario, recipe, config, folder, datas) -> dict:
    names = [task.name for task in scenario.tasks]
    reports.draw_table(
        folder.path / "table.png", scenario.table, names, scenario.partition, scenario.name
    )
    training.prepare_backend(recipe)
    network = training.build_network(scenario, [data.info for data in datas], recipe)
    training.train(network, datas, recipe, folder, config)
    results = {
        "scenario": scenario.name,
        "method": "dvn",
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "backbone": scenario.backbone.name,
        "batch_size": recipe.batch_size,
        "outputs": training.evaluate(network, datas, recipe.batch_size),
    }
    folder.save_model(network)
    folder.write_results(results)
    return results
