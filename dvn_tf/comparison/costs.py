"""What a method costs: outputs, parameters in both counts, training time and storage."""

import numpy as np

from dvn_tf.comparison import markdown
from dvn_tf.comparison.runs import Comparison, Method
from dvn_tf.comparison.tables import Table

BYTES_PER_PARAMETER = 4

NOTE = (
    "N_O counts the outputs of one trained network, as the paper does. N_T is all that must be "
    "stored, all networks together; the paper counts the convolutions after the input layer "
    "alone. Training time is the mean over seeds as it was measured, and compares only where "
    "runs had the same machine to themselves. Storage is 4 bytes a parameter. The last column is "
    "the storage for as many outputs as the DVN has: for the baseline a network of the "
    "output's size for each, for every other method as many copies of what it trains as it takes."
)


def storage(method: Method) -> int:
    """The bytes of all networks that a method stores."""
    return BYTES_PER_PARAMETER * method.results["parameters"]


def storage_for_same_outputs(method: Method, dvn: Method) -> int:
    """The bytes that a method must store to give as many outputs as the DVN.

    Args:
        method: any method; "baseline" needs a network of the output's size for each output.
        dvn: the DVN of the same scenario.
    """
    if method.key == "baseline":
        return sum(output["bytes"] for output in dvn.results["outputs"].values())
    return -(-dvn.num_outputs // method.num_outputs) * storage(method)


def table(comparison: Comparison) -> Table:
    """The cost table, one line a method; without a DVN, without the last column."""
    dvn = comparison.dvn
    head = ["Method", "networks", "N_O", "outputs in all", "N_T, paper's count", "N_T, everything"]
    head += ["training time", "storage"]
    head += [f"storage for {dvn.num_outputs} outputs"] if dvn else []
    rows = []
    for method in comparison.methods.values():
        results = method.results
        row = [
            method.title,
            str(results["num_networks"]),
            str(method.outputs_of_a_network),
            str(method.num_outputs),
            f"{results['parameters_paper']:,}",
            f"{results['parameters']:,}",
            markdown.duration(np.mean([run.results["seconds"] for run in method.runs])),
            markdown.megabytes(storage(method)),
        ]
        row += [markdown.megabytes(storage_for_same_outputs(method, dvn))] if dvn else []
        rows.append(row)
    return head, rows
