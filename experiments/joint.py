"""Joint learning of several tasks, in one network at several memory levels or by another method.

    python -m experiments.joint --gin_file=gin/quickstart.gin

trains the scenario of a gin file and writes a run folder. The same command continues a run that
was interrupted. A second file chooses a compared method:

    python -m experiments.joint --gin_file=gin/j1_cifar.gin --gin_file=gin/methods/packnet.gin

--seeds=0,1,2 runs it once for each seed.
"""

from absl import flags

from experiments import programs, training_program

flags.adopt_module_key_flags(training_program)  # so that --help shows them


def main(_):
    training_program.train(sequential=False)


if __name__ == "__main__":
    programs.run(main)
