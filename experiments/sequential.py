"""Sequential learning: one task after the other, without the images of earlier tasks.

    python -m experiments.sequential --gin_file=gin/quickstart_sequential.gin

trains a deep virtual network that grows by one unit with each task (section 3.3) and writes a run
folder. If it is interrupted, the same command continues. A second file chooses a compared method:

    python -m experiments.sequential --gin_file=gin/s1_cifar10.gin --gin_file=gin/methods/lwf.gin

--seeds=0,1,2 does one run for each seed. Methods that first train the whole backbone on the first
task can share that training: --initial_run='runs/S1/lwf/seed{seed}'.
"""

from absl import flags

from experiments import programs, training_program

flags.adopt_module_key_flags(training_program)  # so that --help shows them
_INITIAL_RUN = flags.DEFINE_string(
    "initial_run",
    None,
    "Folder of another run of this sequence. Its network for the first task is copied instead of "
    "trained. {seed} in the path stands for the seed.",
)
flags.DEFINE_alias("old_run", "initial_run")  # its name in version 0.1


def main(_):
    training_program.train(sequential=True, initial_run=_INITIAL_RUN.value)


if __name__ == "__main__":
    programs.run(main, training_program.interrupted)
