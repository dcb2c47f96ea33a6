"""The loaded networks, which threads share while others are loaded and freed."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping

from dvn_runtime.errors import RefusedFileError, UserError
from dvn_runtime.network import LoadedNetwork
from dvn_runtime.plan import Choice


class NetworkPool:
    """At most one loaded network for each task, which can be replaced during predictions.

    A prediction borrows its network until it is done. A network that is to be replaced accepts
    no new predictions, and is freed after its last borrower returns it. If its successor could
    not be loaded beside it for lack of memory, new predictions of the task wait for that.

    Args:
        load: loads a chosen network, or raises `RefusedFileError`.
    """

    def __init__(self, load: Callable[[Choice], LoadedNetwork]):
        self._load = load
        # Guards all attributes below, and is notified of every change. Not held while a network
        # loads or runs.
        self._changed = threading.Condition()
        self._serving: dict[str, tuple[Choice, LoadedNetwork]] = {}
        self._borrowers: dict[LoadedNetwork, int] = {}  # includes those about to be freed
        self._changing = False
        self._closed = False

    @contextlib.contextmanager
    def borrow(self, task: str) -> Iterator[LoadedNetwork | None]:
        """Lends the network of a task, or None if the task has none.

        Args:
            task: name of the task.

        Raises:
            UserError: if the pool is closed.
        """
        with self._changed:
            # During a change, a task may be without a network until its successor is loaded.
            self._changed.wait_for(lambda: task in self._serving or not self._changing)
            self._check_open()
            _, network = self._serving.get(task, (None, None))
            if network:
                self._borrowers[network] += 1
        try:
            yield network
        finally:
            if network:
                with self._changed:
                    self._borrowers[network] -= 1
                    self._changed.notify_all()

    def serving(self) -> dict[str, Choice]:
        """{task: the choice that answers its predictions now}."""
        with self._changed:
            return {task: choice for task, (choice, _) in self._serving.items()}

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """A context in which predictions of a task without a network wait instead of failing."""
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
        wanted: Mapping[str, Choice],
        limit: int | None,
        cost: Callable[[Choice], int],
    ) -> dict[str, RefusedFileError]:
        """Loads and frees networks until exactly the wanted ones are in memory.

        The networks in memory never exceed the limit. Within it, a network is loaded before its
        predecessor is freed. Call this inside `changing`, from one thread at a time.

        Args:
            wanted: {task: its choice}; together they must not exceed the limit.
            limit: the greatest sum of costs; None is no limit.
            cost: gives the cost of a choice.

        Returns:
            {task: error} for networks that were refused. Such a task keeps its network, unless
            that had to be freed already.
        """
        for task in self.serving().keys() - wanted.keys():
            self._replace(task, None)
        refused = {}
        for task, choice in sorted(wanted.items(), key=lambda item: cost(item[1])):
            if self.serving().get(task) == choice:
                continue
            self._make_room(choice, wanted, limit, cost)
            try:
                loaded = self._load(choice)
            except RefusedFileError as error:
                refused[task] = error
            else:
                self._replace(task, (choice, loaded))
        return refused

    def close(self) -> None:
        """Frees all networks after running predictions are done; later ones fail."""
        with self._changed:
            self._closed = True
            tasks = list(self._serving)
            self._changed.notify_all()
        for task in tasks:
            self._replace(task, None)

    def _make_room(self, arriving, wanted, limit, cost) -> None:
        """Frees networks that are not wanted until another one fits."""
        while limit is not None:
            serving = self.serving()
            if sum(map(cost, serving.values())) + cost(arriving) <= limit:
                return
            leaving = [task for task in serving if serving[task] != wanted.get(task)]
            # Its own predecessor if possible, so that no other task has to wait; or the largest.
            own = arriving.task in leaving
            victim = arriving.task if own else max(leaving, key=lambda task: cost(serving[task]))
            self._replace(victim, None)

    def _replace(self, task: str, successor: tuple[Choice, LoadedNetwork] | None) -> None:
        """Replaces the network of a task, and frees the old one once nobody borrows it."""
        with self._changed:
            _, predecessor = self._serving.pop(task, (None, None))
            if successor:
                self._serving[task] = successor
                self._borrowers[successor[1]] = 0
            self._changed.notify_all()
            if predecessor is None:
                return
            self._changed.wait_for(lambda: self._borrowers[predecessor] == 0)
            del self._borrowers[predecessor]
        predecessor.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UserError("the predictor is closed")
