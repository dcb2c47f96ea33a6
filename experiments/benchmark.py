"""Times a training step against that of separate networks, and the input pipeline.

    python -m experiments.benchmark --gin_file=gin/j1_cifar.gin --gin_param='Recipe.batch_size=32'

builds the network of k tasks at n_h levels and k x n_h plain Keras networks of the same widths,
runs their steps in turn on random images, and prints the ratio of their times.
"""

from absl import flags

from experiments import programs

programs.define_gin_flags()
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Number of timed rounds.", lower_bound=1)


def main(_):
    settings = programs.gin_settings()

    with programs.starting():
        from dvn_tf.benchmarks import training_step
        from dvn_tf.training import configuration

    experiment = configuration.read_experiment(*settings)
    times = training_step.step_times(experiment, _ROUNDS.value)
    pipeline = training_step.pipeline_images_per_second(experiment.scenario, experiment.recipe)
    print(training_step.report(experiment, times, pipeline))


if __name__ == "__main__":
    programs.run(main)
