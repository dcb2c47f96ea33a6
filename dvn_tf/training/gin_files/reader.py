"""Reads gin files and bindings, and says where each statement stands."""

import difflib
import importlib.util
import pathlib
import re
import stat
from collections.abc import Sequence

from dvn_runtime.errors import UserError, one_line, shown
from dvn_runtime.files import read_bytes
from gin import config_parser

from .macros import check_macros
from .parser import TEXT_LIMIT, parse
from .statements import Binding, Settings

_LIBRARY = pathlib.Path(__file__).resolve().parents[2]
# Where to look for "gin/j1_cifar.gin" if the current folder has no such file. The gin files lie
# beside the library in a checkout, and inside it in a wheel.
GIN_ROOT = _LIBRARY if (_LIBRARY / "gin").is_dir() else _LIBRARY.parent

_FILES_LIMIT = 100  # included by one another
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def read_files(files: Sequence[str], params: Sequence[str], imports: Sequence[str]) -> Settings:
    """Reads gin files that the user names, those that they include, and single bindings.

    Args:
        files: paths of gin files, such as "gin/j2_tiny.gin".
        params: bindings such as "Recipe.epochs = 10".
        imports: modules that the files may import.

    Raises:
        UserError: if no file is given, a file is missing or malformed, imports another module, or
            names a macro that does not exist.
    """
    check_module_names(imports)
    for texts in (files, params):
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UserError("gin files and parameters are lists of texts: put a text in a list")
    if not files:
        raise UserError("no gin file: pass one, as in --gin_file=gin/quickstart.gin")
    reader = _Reader(imports, may_include=True)
    for file in files:
        reader.read_file(file)
    for param in params:
        reader.read_text(param, f"--gin_param {one_line(repr(param))}")
    check_macros(reader.settings.bindings)
    return reader.settings


def read_run_config(path, imports: Sequence[str]) -> Settings:
    """Reads the config.gin of a run folder, which may come from a stranger: it includes no files.

    Args:
        path: the file.
        imports: modules that it may import.

    Raises:
        UserError: as `read_files`.
    """
    check_module_names(imports)
    reader = _Reader(imports, may_include=False)
    reader.read_text(_decoded(pathlib.Path(path), str(path)), str(path))
    check_macros(reader.settings.bindings)
    return reader.settings


class _Reader:
    """Collects the settings of several texts.

    Args:
        imports: modules that may be imported.
        may_include: whether a text may include files.
    """

    def __init__(self, imports: Sequence[str], may_include: bool):
        self.settings = Settings()
        self._allowed = imports
        self._may_include = may_include
        self._files_read = 0

    def read_file(self, name: str, including: tuple[pathlib.Path, ...] = ()) -> None:
        """Reads a file and those that it includes."""
        path = _find(name)
        if path is None:
            raise UserError(f"there is no gin file {one_line(name)}{_suggestion(name)}")
        if path in including:
            raise UserError(f"the gin file {name} includes itself: remove that include")
        self._files_read += 1
        if self._files_read > _FILES_LIMIT:
            raise UserError(f"the gin files include more than {_FILES_LIMIT} files: use fewer")
        self.read_text(_decoded(path, name), name, (*including, path))

    def read_text(self, text: str, source: str, including: tuple[pathlib.Path, ...] = ()) -> None:
        """Reads a text.

        Args:
            text: the text.
            source: what errors call it.
            including: the files that led to it.
        """
        for statement in parse(text, source):
            where = source
            if "\n" in text:
                where = f"line {statement.location.line_num} of {source}"
            match statement:
                case config_parser.ImportStatement():
                    self._import(statement, where)
                case config_parser.IncludeStatement() if not self._may_include:
                    raise UserError(
                        f"a run's settings include no other file, as in {where}: remove that line, "
                        "or do not trust that run"
                    )
                case config_parser.IncludeStatement():
                    self.read_file(statement.filename, including)
                case config_parser.BlockDeclaration(scope, selector, _):
                    binding = Binding(scope, selector, "", None, where, is_block=True)
                    self.settings.bindings.append(binding)
                case config_parser.BindingStatement(scope, selector, field, value, _):
                    self.settings.bindings.append(Binding(scope, selector, field, value, where))

    def _import(self, statement: config_parser.ImportStatement, where: str) -> None:
        module = statement.module
        if module.partition(".")[0] == "__gin__":
            raise UserError(
                f"gin's own imports are refused, as they let a file call any function ({where}): "
                f"remove the line {shown(statement.format())}"
            )
        if module not in self._allowed:
            name = one_line(module)
            raise UserError(
                f"the import of {name} is refused, as it runs that module ({where}): if you trust "
                f"it, add --gin_import={name} (in Python, imports={[name]})"
            )
        self.settings.imports[module] = statement.format()


def check_module_names(imports: Sequence[str]) -> None:
    """Checks that modules can be imported by their names.

    Raises:
        UserError: for text that is no module's name.
    """
    if isinstance(imports, str):
        raise UserError(f"imports is a list of modules, as in [{shown(imports)}], not one text")
    for name in imports:
        if not isinstance(name, str) or not _MODULE.fullmatch(name):
            raise UserError(
                f"{shown(str(name))} is no module: give its name as in --gin_import=my_backbone"
            )


def _decoded(path: pathlib.Path, name: str) -> str:
    """The text of a file."""
    try:
        return read_bytes(path, TEXT_LIMIT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read the gin file {name}: {error}") from error


def _find(name: str) -> pathlib.Path | None:
    """Where a file is: in the current folder, in the project, or in a Python package."""
    package, _, rest = name.partition("/")
    try:
        for root in (pathlib.Path(), GIN_ROOT):
            if _is_file(root / name):
                return (root / name).resolve()
        # A package's folder is found without importing it; gin would import the parents.
        spec = importlib.util.find_spec(package) if package.isidentifier() and rest else None
        for folder in (spec and spec.submodule_search_locations) or ():
            if _is_file(pathlib.Path(folder, rest)):
                return pathlib.Path(folder, rest).resolve()
    except (OSError, ValueError, ImportError):  # a path that no system has
        pass
    return None


def _is_file(path: pathlib.Path) -> bool:
    """Whether there is anything but a folder; `read_bytes` refuses what is no regular file."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _suggestion(name: str) -> str:
    if len(name) > 200:
        return ""
    known = [file.relative_to(GIN_ROOT).as_posix() for file in GIN_ROOT.glob("gin/**/*.gin")]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f": did you mean {close[0]}?" if close else ""
