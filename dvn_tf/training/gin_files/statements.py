"""What a gin text says: bindings and imports, and the values in them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Reference:
    """A class or function that a value names, as in @narrow/WideResNet().

    Args:
        name: with its scopes.
        evaluate: whether it is called.
    """

    name: str
    evaluate: bool


@dataclasses.dataclass(frozen=True)
class Macro:
    """A macro that a value names, as in %size."""

    name: str


@dataclasses.dataclass(frozen=True)
class Binding:
    """A value that is bound.

    Args:
        scope: such as "narrow", or "".
        selector: the class, such as "WideResNet", or the macro.
        field: such as "width"; "" for a macro and for the head of a block.
        value: plain values, `Reference`s and `Macro`s.
        where: for errors.
        is_block: whether it is the head of a block, "WideResNet:", and binds nothing.
    """

    scope: str
    selector: str
    field: str
    value: object
    where: str
    is_block: bool = False


@dataclasses.dataclass
class Settings:
    """What gin files and parameters say, in their order.

    Args:
        bindings: the later override the earlier.
        imports: {module that they import: the statement}; all of them are allowed.
    """

    bindings: list[Binding] = dataclasses.field(default_factory=list)
    imports: dict[str, str] = dataclasses.field(default_factory=dict)
