"""What a method costs: outputs, parameters in both counts, training time and storage."""

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import Comparison
from dvn_tf.comparison.markdown import Table

BYTES_PER_PARAMETER = 4

NOTE = (
    "N_O counts the outputs of one trained network, as the paper does. N_T counts all parameters "
    "that must be stored, of all networks together; the paper counts only the convolutions after "
    "the input layer. Training time is the mean over seeds as measured. It can be compared only if "
    "each run had the same machine to itself. Storage is 4 bytes a parameter. The last column is "
    "the storage for as many outputs as the DVN has. For the baseline that is one network of the "
    "right size for each output, for every other method as many copies of all its networks as that "
    "takes."
)


def storage(comparison: Comparison, method: str) -> int:
    """The bytes of all networks that a method stores."""
    return BYTES_PER_PARAMETER * int(comparison.methods.at[method, "run_parameters"])


def storage_for_same_outputs(comparison: Comparison, method: str) -> int:
    """The bytes that a method must store to give as many outputs as the DVN does.

    The baseline needs a network of the output's size for each output of the DVN.
    """
    if method == "baseline":
        outputs = comparison.outputs
        first = outputs["run"] == outputs.loc[outputs["method"] == "dvn", "run"].iloc[0]
        return int(outputs.loc[first, "bytes"].sum())
    numbers = comparison.methods["num_outputs"]
    return int(-(-numbers["dvn"] // numbers[method])) * storage(comparison, method)


def cost_table(comparison: Comparison) -> Table:
    """The costs, a row for each method; without a DVN, without the last column."""
    head = ["Method", "networks", "N_O", "all outputs", "N_T, paper's count", "N_T, everything"]
    head += ["training time", "storage"]
    if comparison.has_dvn:
        head.append(f"storage for {comparison.methods.at['dvn', 'num_outputs']} outputs")
    rows = []
    for method in comparison.methods.itertuples():
        row = [
            method.title,
            str(method.num_networks),
            str(method.outputs_of_a_network),
            str(method.num_outputs),
            f"{method.run_parameters_paper:,}",
            f"{method.run_parameters:,}",
            markdown.duration(method.seconds),
            markdown.megabytes(storage(comparison, method.Index)),
        ]
        if comparison.has_dvn:
            row.append(markdown.megabytes(storage_for_same_outputs(comparison, method.Index)))
        rows.append(row)
    return head, rows
