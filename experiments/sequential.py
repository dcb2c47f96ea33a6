"""Sequential learning: one task after the other, the images of the earlier ones being gone.

    python -m experiments.sequential --gin_file=gin/quickstart_sequential.gin

trains a deep virtual network that grows by a unit with each task (section 3.3) and writes a run
folder. The same command continues an interrupted sequence in the stage where it stopped. A second
file chooses a compared method:

    python -m experiments.sequential --gin_file=gin/s1_cifar10.gin --gin_file=gin/methods/lwf.gin

--seeds=0,1,2 runs it once for each seed. Methods that start from the whole backbone trained on the
first task can share that training: --initial_run='runs/S1/lwf/seed{seed}'.
"""

from absl import flags

from experiments import programs, training_program

flags.adopt_module_key_flags(training_program)  # so that --help shows them
_INITIAL_RUN = flags.DEFINE_string(
    "initial_run",
    None,
    "Folder of a run of this sequence whose first task's network is taken over instead of trained; "
    "{seed} in it stands for the seed.",
)
flags.DEFINE_alias("old_run", "initial_run")  # its name in version 0.1


def main(_):
    training_program.train(sequential=True, initial_run=_INITIAL_RUN.value)


if __name__ == "__main__":
    programs.run(main)
