"""Joint learning: several tasks at once, in one network with several memory levels.

    python -m experiments.joint --gin_file=gin/quickstart.gin

trains the scenario of a gin file and writes a run folder. If it is interrupted, the same command
continues. A second file chooses a compared method:

    python -m experiments.joint --gin_file=gin/j1_cifar.gin --gin_file=gin/methods/packnet.gin

--seeds=0,1,2 does one run for each seed.
"""

from absl import flags

from experiments import programs, training_program

flags.adopt_module_key_flags(training_program)  # so that --help shows them


def main(_):
    training_program.train(sequential=False)


if __name__ == "__main__":
    programs.run(main, training_program.interrupted)
