"""A quick check of gin files, made before the seconds that importing TensorFlow takes.

It finds missing and malformed files, imports that are refused, and names that do not exist. Values
are checked later, by the library's `training.configuration`, which reads the files in the same way.
"""

import difflib
import functools
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence

from dvn_runtime.errors import UserError, one_line
from experiments.gin_names import LIBRARY, settings
from gin import selector_map


def _gin_files():
    """The library's package of that name, without importing the library itself."""
    folder, name = LIBRARY / "training" / "gin_files", "_gin_files"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


gin_files = _gin_files()
GIN_ROOT = gin_files.GIN_ROOT
_BUILT_IN = ("gin.macro", "gin.singleton")


def check(files: Sequence[str], params: Sequence[str] = (), imports: Sequence[str] = ()) -> None:
    """Checks that gin files can be read and set only what there is to set.

    Args:
        files: paths of gin files, such as "gin/j2_tiny.gin".
        params: bindings such as "Recipe.epochs = 10".
        imports: modules that the files may import; they are not imported here.

    Raises:
        UserError: if no file is given, a file is missing or malformed, imports another module, or
            a name is unknown.
    """
    read = gin_files.read_files(files, params, imports)
    if imports:
        return  # what these modules register is not known here
    for binding in read.bindings:
        _check_names(binding)


def _references(value) -> Iterator[str]:
    """The classes that a value names, as in @WideResNet()."""
    if isinstance(value, gin_files.Reference):
        yield value.name.rpartition("/")[2]
    elif isinstance(value, dict):
        yield from _references([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)


@functools.cache
def _classes() -> selector_map.SelectorMap:
    """The classes that settings name; it knows that dvn_tf.Recipe is Recipe."""
    classes = selector_map.SelectorMap()
    for name in settings():
        classes[f"dvn_tf.{name}"] = name
    for name in _BUILT_IN:
        classes[name] = None
    return classes


def _check_names(binding) -> None:
    where, classes = binding.where, _classes()
    for name in _references(binding.value):
        if not classes.matching_selectors(name):
            suggestion = _suggestion(name, settings(), "@")
            raise UserError(f"there is no @{one_line(name)}{suggestion} ({where})")
    field = binding.field
    if not field and not binding.is_block:  # a macro, as in size = 3
        return
    asked = one_line(f"{binding.selector}.{field}" if field else binding.selector)
    if not classes.matching_selectors(binding.selector):
        suggestion = _suggestion(binding.selector, settings())
        raise UserError(f"there is no setting {asked}{suggestion} ({where})")
    name = classes.get_match(binding.selector)
    if field and name and field not in settings()[name]:
        suggestion = _suggestion(field, settings()[name], f"{name}.")
        raise UserError(f"there is no setting {asked}{suggestion} ({where})")


def _suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f": did you mean {prefix}{close[0]}?"
    return f": choose among {', '.join(prefix + name for name in sorted(known))}"
