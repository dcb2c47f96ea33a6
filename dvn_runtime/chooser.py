"""What a budget pays for: the cost of each network, packed or not, and the choice among them."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from dvn_runtime.budget import PARAMETERS, RESIDENT, Budget
from dvn_runtime.errors import UserError, shown
from dvn_runtime.manifest import SUPPORTED_FORMATS, ExportedNetwork, Manifest
from dvn_runtime.plan import Choice
from dvn_runtime.planner import Option, SmallBudgetError, choose_levels, task_names
from dvn_runtime.resident import FIXED, Fixed, NetworkMemory, fixed_memory


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What a user asks of the choice; see `planner.choose_levels`.

    Attributes:
        weights: {task: weight of its accuracy}.
        minimum_accuracy: {task: the least accuracy to accept}, or one number for all tasks.
        pack_weights: whether networks run with packed weights; None packs them, or under a
            budget of resident memory those for which that is worth its memory.
    """

    weights: Mapping[str, float] | None
    minimum_accuracy: Mapping[str, float] | float | None
    pack_weights: bool | None


class Costs:
    """What networks take of a budget.

    Args:
        budget: the budget.
        format: the format of the networks.
        num_threads: CPU threads of a prediction.
        memory: {network: the memory that it takes}; read for budgets of resident memory alone.
        past: how networks have run in this process before, packed (True) or unpacked: the code
            that ran is still resident.
        board: what LiteRT itself takes, see `resident.fixed_memory`.
    """

    def __init__(
        self,
        budget: Budget,
        format: str,
        num_threads: int,
        memory: Mapping[ExportedNetwork, NetworkMemory],
        past: Collection[bool] = (),
        board: Fixed = FIXED,
    ):
        self.budget = budget
        self.past = frozenset(past)
        self._format = format
        self._num_threads = num_threads
        self._memory = memory
        self._board = board

    def of(self, choice: Choice) -> int:
        """The cost of a network, in what the budget is counted in."""
        if self.budget.measure == RESIDENT:
            return self._memory[choice.network].resident(choice.packed, self._num_threads)
        if self.budget.measure == PARAMETERS:
            return choice.network.parameters
        return choice.network.bytes

    def without_past(self) -> "Costs":
        """The costs in a process that has not run a network yet."""
        return Costs(self.budget, self._format, self._num_threads, self._memory, board=self._board)

    def fixed(self, ways: Collection[bool]) -> int:
        """What LiteRT itself takes of the budget, for networks packed (True), unpacked or both."""
        if self.budget.measure != RESIDENT:
            return 0
        return fixed_memory(self._format, self.past.union(ways), self._board)

    def limit(self, choices: Collection[Choice]) -> int | None:
        """The most that the costs of some networks may add up to; None is no limit."""
        if self.budget.limit is None:
            return None
        ways = {choice.packed for choice in choices}
        return self.budget.limit - self.without_past().fixed(ways)


def choose_networks(
    networks: Sequence[ExportedNetwork],
    costs: Costs,
    wishes: Wishes,
    optional: Collection[str],
    known_tasks: Collection[str],
) -> dict[str, Choice]:
    """Chooses a network for each task, and whether it is packed.

    Where the user leaves packing open, the most accurate choice comes first, and of equally
    accurate ones the one that runs the fewest multiply-adds unpacked.

    Args:
        networks: the networks to choose from.
        costs: their costs, with the budget.
        wishes: what the user asks for.
        optional: tasks that may be left out.
        known_tasks: the tasks that wishes may name.

    Returns:
        {task: its choice}, without the tasks that are left out.

    Raises:
        SmallBudgetError: if the budget is too small; the message gives the smallest that suffices.
        UserError: as `planner.choose_levels`.
    """
    if wishes.pack_weights is None and costs.budget.measure == RESIDENT:
        # LiteRT itself takes less if all networks run one way: cases of their own, to be exact.
        cases = [(True,), (False,), (True, False)]
    else:
        cases = [(wishes.pack_weights is not False,)]
    found, errors = [], []
    for ways in cases:
        options = [_option(Choice(n, packed), costs) for packed in ways for n in networks]
        try:
            chosen = choose_levels(
                options,
                costs.budget.limit,
                weights=wishes.weights,
                minimum_accuracy=wishes.minimum_accuracy,
                optional=optional,
                measure=costs.budget.measure,
                known_tasks=known_tasks,
                fixed=costs.fixed(ways),
            )
        except SmallBudgetError as error:
            errors.append(error)
        else:
            found.append(chosen)
    if not found and costs.past:
        # Code that is not needed any more must not keep a budget from being met: the system
        # drops its pages when memory is short.
        return choose_networks(networks, costs.without_past(), wishes, optional, known_tasks)
    if not found:
        raise min(errors, key=lambda error: error.least)
    best = max(found, key=lambda chosen: _worth(chosen, wishes.weights))
    by_level = {(network.task, network.level): network for network in networks}
    return {
        task: Choice(by_level[task, option.level], option.packed) for task, option in best.items()
    }


def usable_networks(
    manifest: Manifest, format: str, tasks: Collection[str] | None
) -> list[ExportedNetwork]:
    """The networks to choose from, all of which must have a measured accuracy.

    Args:
        manifest: the manifest of their export folder.
        format: their format, one of `SUPPORTED_FORMATS`.
        tasks: names of their tasks; None is all tasks that have networks in the format.

    Raises:
        UserError: for an unknown format or task, or an accuracy that was not measured.
    """
    if not isinstance(format, str) or format not in SUPPORTED_FORMATS:
        known = ", ".join(SUPPORTED_FORMATS)
        raise UserError(f"format must be one of {known}, not {shown(format)}")
    of_format = [network for network in manifest.networks if network.format == format]
    served = dict.fromkeys(network.task for network in of_format)
    if not served:
        raise UserError(
            f"{manifest.folder} holds no {format} networks: export with --format={format}"
        )
    if tasks is not None:
        tasks = task_names(tasks, "tasks")
    for task in served if tasks is None else tasks:
        if task not in served:
            raise UserError(f"no {format} network of task {task!r}; there are {', '.join(served)}")
    networks = [network for network in of_format if tasks is None or network.task in tasks]
    for network in networks:
        if network.accuracy is None:
            raise UserError(
                f"the accuracy of {network.file} was not measured, so levels cannot be compared: "
                "export again where the test images can be loaded (--data_dir)"
            )
    return networks


def _option(choice: Choice, costs: Costs) -> Option:
    network = choice.network
    # An export of an old version counts no multiply-adds; parameters rank levels alike.
    unpacked = network.parameters if network.multiply_adds is None else network.multiply_adds
    return Option(
        network.task,
        network.level,
        costs.of(choice),
        network.accuracy,
        packed=choice.packed,
        delay=0 if choice.packed else unpacked,
    )


def _worth(chosen: Mapping[str, Option], weights: Mapping[str, float] | float | None) -> tuple:
    """What the planner ranks choices by, the best greatest."""
    if not isinstance(weights, Mapping):
        weights = dict.fromkeys(chosen, 1 if weights is None else weights)
    accuracy = sum(
        Fraction(str(weights.get(task, 1))) * Fraction(str(option.accuracy))
        for task, option in chosen.items()
    )
    options = chosen.values()
    return accuracy, -sum(o.delay for o in options), -sum(o.cost for o in options)
