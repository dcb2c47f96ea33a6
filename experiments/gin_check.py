"""A quick check of gin files, made before the seconds that importing TensorFlow takes.

It finds missing and malformed files, and names that do not exist. Values are checked later, by the
library's `training.configuration`, which reads the same files with gin itself.
"""

import difflib
import logging
import pathlib
import tokenize
from collections.abc import Iterable, Iterator, Sequence

from dvn_runtime.errors import UserError
from experiments.gin_names import LIBRARY, settings
from gin import config_parser, resource_reader, selector_map

# The gin files lie beside the library in a checkout, and inside it in a wheel. A test checks that
# `configuration`, which would import TensorFlow, looks in the same folder.
GIN_ROOT = LIBRARY if (LIBRARY / "gin").is_dir() else LIBRARY.parent
_BUILT_IN = ("gin.constant", "gin.macro", "gin.singleton")


def check(files: Sequence[str], params: Sequence[str] = ()) -> None:
    """Checks that gin files can be read and set only what there is to set.

    Args:
        files: paths of gin files, such as "gin/j2_tiny.gin".
        params: bindings such as "Recipe.epochs = 10".

    Raises:
        UserError: if no file is given, a file is missing or malformed, or a name is unknown.
    """
    if not files:
        raise UserError("no gin file: pass one, as in --gin_file=gin/quickstart.gin")
    statements = [entry for file in files for entry in _read_file(file)]
    for param in params:
        statements += _parse(param, f"--gin_param {param!r}")
    if any(isinstance(entry, config_parser.ImportStatement) for entry, _, _ in statements):
        return  # what the imported module registers is not known here
    for statement, references, where in statements:
        _check_names(statement, references, where)


class _References(config_parser.ParserDelegate):
    """Collects the classes that values refer to, as in @WideResNet()."""

    def __init__(self):
        self.names: list[str] = []

    def configurable_reference(self, scoped_configurable_name, evaluate):
        self.names.append(scoped_configurable_name.rpartition("/")[2])

    def macro(self, macro_name):
        pass  # gin resolves it when all files are read


def _read_file(name: str, including: tuple[pathlib.Path, ...] = ()) -> Iterator[tuple]:
    """The statements of a file and of those it includes; see `_parse`."""
    path = _path(name)
    if path is None:
        known = [file.relative_to(GIN_ROOT).as_posix() for file in GIN_ROOT.glob("gin/**/*.gin")]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        suggestion = f": did you mean {close[0]}?" if close else ""
        raise UserError(f"there is no gin file {name}{suggestion}")
    if path in including:
        raise UserError(f"the gin file {name} includes itself: remove that include")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the gin file {name}: {error}") from error
    for statement, references, where in _parse(text, name):
        if isinstance(statement, config_parser.IncludeStatement):
            yield from _read_file(statement.filename, (*including, path))
        else:
            yield statement, references, where


def _path(name: str) -> pathlib.Path | None:
    """Where gin finds a file: in the current folder, in the project, or in a Python package."""
    for root in (pathlib.Path(), GIN_ROOT):
        if (root / name).is_file():
            return (root / name).resolve()
    logging.disable()  # gin logs an error for each file that is in no package
    try:
        with resource_reader.system_path_reader(name) as file:
            return pathlib.Path(file.name)
    except (OSError, ImportError, ValueError, TypeError):
        return None
    finally:
        logging.disable(logging.NOTSET)


def _parse(text: str, source: str) -> list[tuple]:
    """The statements of a text: (statement, classes that it refers to, where it stands)."""
    found, delegate = [], _References()
    try:
        for statement in config_parser.ConfigParser(text, delegate):
            line = f"line {statement.location.line_num} of " if "\n" in text else ""
            found.append((statement, delegate.names, line + source))
            delegate.names = []
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        # The last line of gin's message is the one that says which text was wrong.
        message = str(error.args[0]).strip().splitlines()[-1].strip().rstrip(".")
        line = error.lineno if isinstance(error, SyntaxError) else None
        where = f"line {line} of {source}" if line and "\n" in text else source
        hint = "; put text in quotes" if message.startswith("Failed to parse token") else ""
        raise UserError(f"cannot read the gin settings: {message}{hint} ({where})") from error
    return found


def _check_names(statement: tuple, references: Iterable[str], where: str) -> None:
    classes = selector_map.SelectorMap()  # it knows that dvn_tf.Recipe is Recipe
    for name in settings():
        classes[f"dvn_tf.{name}"] = name
    for name in _BUILT_IN:
        classes[name] = None
    for name in references:
        if not classes.matching_selectors(name):
            raise UserError(f"there is no @{name}{_suggestion(name, settings(), '@')} ({where})")
    field = getattr(statement, "arg_name", None)
    if field == "":  # a macro, as in size = 3
        return
    asked = f"{statement.selector}.{field}" if field else statement.selector
    if not classes.matching_selectors(statement.selector):
        suggestion = _suggestion(statement.selector, settings())
        raise UserError(f"there is no setting {asked}{suggestion} ({where})")
    name = classes.get_match(statement.selector)
    if field and name and field not in settings()[name]:
        suggestion = _suggestion(field, settings()[name], f"{name}.")
        raise UserError(f"there is no setting {asked}{suggestion} ({where})")


def _suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f": did you mean {prefix}{close[0]}?"
    return f": choose among {', '.join(prefix + name for name in sorted(known))}"
