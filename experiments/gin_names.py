"""The names that gin files may set, read from the library's source.

Importing the library would be simpler, but it imports TensorFlow, which takes seconds.
"""

import ast
import functools
import pathlib
from collections.abc import Iterator

LIBRARY = pathlib.Path(__file__).resolve().parents[1] / "dvn_tf"


@functools.cache
def settings() -> dict[str, tuple[str, ...]]:
    """The classes that `dvn_tf.training.configuration` registers with gin, and their fields.

    Returns:
        {class: names of its fields}.
    """
    classes = _elements("dvn_tf.training.configuration", "CONFIGURABLES")
    return {node.name: tuple(_fields(module, node)) for module, node in classes}


def _elements(module: str, name: str) -> Iterator[tuple[str, ast.ClassDef]]:
    """The classes that a tuple lists, with their modules; a starred tuple is unpacked."""
    module, definition = _find(module, name)
    for node in definition.value.elts:
        if isinstance(node, ast.Starred):
            yield from _elements(module, node.value.id)
        else:
            yield _resolve(module, node)


def _fields(module: str, node: ast.ClassDef) -> Iterator[str]:
    """The fields of a dataclass, the inherited ones first."""
    for base in reversed(node.bases):  # as Python collects them
        definition = _resolve(module, base)
        if definition is not None:
            yield from _fields(*definition)
    if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation):
            yield item.target.id


def _resolve(module: str, node: ast.expr) -> tuple[str, ast.stmt] | None:
    """Where `Scenario` or `backbones.ResNet` is defined; None if outside the library."""
    if isinstance(node, ast.Attribute):
        package = _imported_from(module, node.value.id)
        return _find(f"{package}.{node.value.id}", node.attr) if package else None
    return _find(module, node.id)


def _find(module: str, name: str) -> tuple[str, ast.stmt] | None:
    """The definition of a module's name, with the module that it stands in."""
    for node in _tree(module).body:
        match node:
            case ast.ClassDef(name=defined) | ast.Assign(targets=[ast.Name(id=defined)]):
                if defined == name:
                    return module, node
    source = _imported_from(module, name)
    return _find(source, name) if source else None


def _imported_from(module: str, name: str) -> str | None:
    """The module of the library from which a module imports a name."""
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("dvn_tf."):
            names = [alias.asname or alias.name for alias in node.names]
            if name in names:
                return node.module
    return None


@functools.cache
def _tree(module: str) -> ast.Module:
    path = LIBRARY.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))
