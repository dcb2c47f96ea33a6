"""The networks in memory: shared by predicting threads while others come and go."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping

from dvn_runtime.errors import UserError
from dvn_runtime.manifest import ExportedNetwork
from dvn_runtime.network import LoadedNetwork, RefusedFileError


class NetworkPool:
    """At most one loaded network a task, which changes under running predictions.

    A prediction borrows its network and keeps it to the end. A network that must go takes no new
    predictions, and is freed when its last borrower is done. Meanwhile new predictions of its
    task wait if there was no room to load the successor first.

    Args:
        load: loads a network, or raises `RefusedFileError`.
    """

    def __init__(self, load: Callable[[ExportedNetwork], LoadedNetwork]):
        self._load = load
        # Guards all below, and is notified of every change. Never held while a network loads
        # or runs.
        self._changed = threading.Condition()
        self._serving: dict[str, LoadedNetwork] = {}
        self._borrowers: dict[LoadedNetwork, int] = {}  # every network in memory, also leaving
        self._changing = False
        self._closed = False

    @contextlib.contextmanager
    def borrow(self, task: str) -> Iterator[LoadedNetwork | None]:
        """Lends the network of a task, or None if the task has none.

        Args:
            task: the task.

        Raises:
            UserError: if the pool is closed.
        """
        with self._changed:
            # Between two networks a task has none for a moment, and a successor is on its way.
            self._changed.wait_for(lambda: task in self._serving or not self._changing)
            self._check_open()
            network = self._serving.get(task)
            if network:
                self._borrowers[network] += 1
        try:
            yield network
        finally:
            if network:
                with self._changed:
                    self._borrowers[network] -= 1
                    self._changed.notify_all()

    def serving(self) -> dict[str, ExportedNetwork]:
        """The entries of the networks that take predictions now, by task."""
        with self._changed:
            return {task: loaded.network for task, loaded in self._serving.items()}

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Inside, predictions of a task without a network wait rather than fail."""
        with self._changed:
            self._check_open()
            self._changing = True
        try:
            yield
        finally:
            with self._changed:
                self._changing = False
                self._changed.notify_all()

    def change_to(
        self,
        wanted: Mapping[str, ExportedNetwork],
        limit: int | None,
        cost: Callable[[ExportedNetwork], int],
    ) -> dict[str, RefusedFileError]:
        """Loads and frees networks until those wanted, and no others, are in memory.

        Nothing is loaded while the sum of all networks in memory would exceed the limit. Where
        it allows, a successor is loaded before its predecessor is freed. Call it from one thread
        at a time, inside `changing`.

        Args:
            wanted: the network of each task; together they keep the limit.
            limit: the greatest sum of costs; None is no limit.
            cost: what a network takes of the limit.

        Returns:
            {task: error} of the networks that were refused. Their tasks keep the network they
            had, or have none.
        """
        for task in self.serving().keys() - wanted.keys():
            self._replace(task, None)
        refused = {}
        for task, network in sorted(wanted.items(), key=lambda item: cost(item[1])):
            if self.serving().get(task) == network:
                continue
            self._make_room(network, wanted, limit, cost)
            try:
                loaded = self._load(network)
            except RefusedFileError as error:
                refused[task] = error
            else:
                self._replace(task, loaded)
        return refused

    def close(self) -> None:
        """Frees all networks, when the predictions that run are done. Later ones fail."""
        with self._changed:
            self._closed = True
            tasks = list(self._serving)
            self._changed.notify_all()
        for task in tasks:
            self._replace(task, None)

    def _make_room(self, arriving, wanted, limit, cost) -> None:
        """Frees networks that must go until one that arrives keeps the limit."""
        while limit is not None:
            serving = self.serving()
            if sum(map(cost, serving.values())) + cost(arriving) <= limit:
                return
            leaving = [task for task in serving if serving[task] != wanted.get(task)]
            # First its own predecessor: then no other task has to wait. Else the largest.
            own = arriving.task in leaving
            victim = arriving.task if own else max(leaving, key=lambda task: cost(serving[task]))
            self._replace(victim, None)

    def _replace(self, task: str, successor: LoadedNetwork | None) -> None:
        """Puts a network in another's place, and frees that one once nobody uses it."""
        with self._changed:
            predecessor = self._serving.pop(task, None)
            if successor:
                self._serving[task] = successor
                self._borrowers[successor] = 0
            self._changed.notify_all()
            if predecessor is None:
                return
            self._changed.wait_for(lambda: self._borrowers[predecessor] == 0)
            del self._borrowers[predecessor]
        predecessor.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UserError("the predictor is closed")
