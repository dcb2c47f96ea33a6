"""Measures how much faster several processes train than one, each on a core of its own.

    python -m experiments.scaling --gin_file=gin/j1_cifar.gin --gin_param='WideResNet.depth=14'

trains on random images, in one process pinned to one core and in two pinned to a core each, in
turns, and prints the ratio of the times of a step. Nothing else should run meanwhile.
"""

from absl import flags

from experiments import programs

programs.define_gin_flags()
_PROCESSES = flags.DEFINE_integer("processes", 2, "Number of processes.", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Number of timed rounds.", lower_bound=1)


def main(_):
    files, params, _ = programs.gin_settings()

    with programs.starting():
        from dvn_tf.benchmarks import scaling

    times = scaling.step_times(files, params, _PROCESSES.value, _ROUNDS.value)
    print(scaling.report(*times, _PROCESSES.value))


if __name__ == "__main__":
    programs.run(main)
