"""Checks of macros: they exist, end somewhere, and stand for a bounded number of values."""

from collections.abc import Sequence

from dvn_runtime.errors import UserError, one_line

from .statements import Binding, Macro, Reference

_VALUES_LIMIT = 100_000  # that a macro or a class stands for


def check_macros(bindings: Sequence[Binding]) -> None:
    """Checks that macros exist, and that values stand for a bounded number of others.

    A chain of macros can name itself, or stand for billions of values in a few lines.
    """
    _Sizes(bindings).check()


class _Sizes:
    """How many values each bound value stands for, its macros and classes resolved as gin does."""

    def __init__(self, bindings: Sequence[Binding]):
        self._bound: dict[tuple[str, str], dict[str, Binding]] = {}
        for binding in bindings:
            if not binding.is_block:
                key = _key(binding)
                self._bound.setdefault(key, {})[binding.field] = binding
        self._known: dict[tuple[str, str], int | None] = {}

    def check(self) -> None:
        for (scope, _), fields in self._bound.items():
            for binding in fields.values():
                try:
                    self._size(binding.value, scope, binding)
                except RecursionError:
                    raise UserError(
                        f"macros and classes name each other too deeply ({binding.where})"
                    ) from None

    def _size(self, value, scope: str, binding: Binding) -> int:
        match value:
            case Macro(name):
                found = self._of(name, "macro", binding)
                if found is None:
                    raise UserError(f"there is no macro %{one_line(name)} ({binding.where})")
                size = found
            case Reference(name, True):
                inner, _, selector = name.rpartition("/")
                size = 1 + (self._of(inner or scope, selector, binding) or 0)
            case list() | tuple():
                size = 1 + sum(self._size(item, scope, binding) for item in value)
            case dict():
                items = (*value.keys(), *value.values())
                size = 1 + sum(self._size(item, scope, binding) for item in items)
            case _:
                size = 1
        if size > _VALUES_LIMIT:
            raise UserError(
                f"{_target(binding)} stands for more than {_VALUES_LIMIT:,} values: write fewer "
                f"({binding.where})"
            )
        return size

    def _of(self, scope: str, selector: str, source: Binding) -> int | None:
        """The size of what is bound to a class or macro in a scope; None if nothing is."""
        key = (scope, selector.rpartition(".")[2])
        if key in self._known:
            if self._known[key] == -1:
                raise UserError(f"{_target(source)} leads back to itself ({source.where})")
            return self._known[key]
        parts = scope.split("/") if scope else []
        fields: dict[str, Binding] = {}
        for count in range(len(parts) + 1):  # inner scopes go over outer ones
            fields |= self._bound.get(("/".join(parts[:count]), key[1]), {})
        self._known[key] = -1
        size = None
        for binding in fields.values():
            size = (size or 0) + self._size(binding.value, scope, binding)
        self._known[key] = size
        return size


def _key(binding: Binding) -> tuple[str, str]:
    """What `_Sizes` knows a binding by; a macro's name is its scope, as for gin."""
    name = binding.selector.rpartition(".")[2]
    if binding.field:
        return binding.scope, name
    return "/".join(filter(None, (binding.scope, binding.selector))), "macro"


def _target(binding: Binding) -> str:
    """What a binding binds, as its file says it."""
    scoped = "/".join(filter(None, (binding.scope, binding.selector)))
    return one_line(f"{scoped}.{binding.field}" if binding.field else f"%{scoped}")
