"""What a method costs: outputs, parameters in both counts, training time and storage."""

from dvn_tf.comparison import markdown, provenance
from dvn_tf.comparison.comparison import Comparison
from dvn_tf.comparison.markdown import Table
from dvn_tf.training.schema import PASSES

BYTES_PER_PARAMETER = 4

_NOTE = (
    "N_O counts the outputs of one trained network, as the paper does. N_T counts all parameters "
    "that must be stored, of all networks together; the paper counts only the convolutions after "
    "the input layer. Training time is the mean over seeds, as measured on {machine}. It can be "
    "compared only if each run had the same machine to itself. Storage is 4 bytes a parameter, of "
    "all networks that the outputs need."
)
_COUNTED = (
    " Training multiply-adds are those that the run counted. A run without a count has {passes} "
    "forward passes of every output for each of its training images and epochs, one forward and "
    "about two backward, without passes that distil old tasks. G, T and P are 10^9, 10^12 and "
    "10^15."
)
_LAST_COLUMN = (
    " The last column is the storage for as many outputs as the DVN has. For the baseline that is "
    "one network of the right size for each output, for every other method as many copies of all "
    "its networks as that takes."
)


def note(comparison: Comparison) -> str:
    """What the columns of `cost_table` count."""
    machines = provenance.machines(comparison)
    machine = "the machines in brackets" if len(machines) > 1 else machines[0]
    text = _NOTE.format(machine=machine)
    if comparison.methods["training_multiply_adds"].notna().any():
        text += _COUNTED.format(passes=PASSES)
    return text + (_LAST_COLUMN if comparison.has_dvn else "")


def cost_table(comparison: Comparison) -> Table:
    """The costs, a row for each method; without a DVN, without the last column."""
    head = ["Method", "networks", "N_O", "all outputs", "N_T, paper's count", "N_T, everything"]
    head += ["training time", "training multiply-adds", "storage"]
    wanted = comparison.methods["num_outputs"].get("dvn")
    head += [f"storage for {wanted} outputs"] if wanted else []
    rows = []
    for method in comparison.methods.itertuples():
        storage = BYTES_PER_PARAMETER * method.run_parameters
        row = [
            method.title,
            str(method.num_networks),
            str(method.outputs_of_a_network),
            str(method.num_outputs),
            f"{method.run_parameters_paper:,}",
            f"{method.run_parameters:,}",
            markdown.duration(method.seconds) + _on_machines(comparison, method.Index),
            markdown.multiply_adds(method.training_multiply_adds),
            markdown.megabytes(storage),
        ]
        if wanted:
            copies = -(-wanted // method.num_outputs)
            baseline = method.Index == "baseline"
            same = _network_for_each_output(comparison) if baseline else copies * storage
            row.append(markdown.megabytes(same))
        rows.append(row)
    return head, rows


def _on_machines(comparison: Comparison, method: str) -> str:
    """ " (on NVIDIA H200, 16 CPU cores)" if the runs were not all on one machine."""
    if len(provenance.machines(comparison)) == 1:
        return ""
    return f" (on {markdown.joined(provenance.machines(comparison, method))})"


def _network_for_each_output(comparison: Comparison) -> int:
    """The bytes of a network of its own for each output of the DVN."""
    outputs = comparison.outputs.query("method == 'dvn'")
    return outputs.loc[outputs["run"] == outputs["run"].iloc[0], "bytes"].sum()
