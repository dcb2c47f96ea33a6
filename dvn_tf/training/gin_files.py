"""gin text as data: what it says, read without running anything.

gin itself imports the modules that a file names, calls what they define, searches Python packages
for files, and opens whatever lies at a path. Here a text is only parsed. Of its statements these
are accepted: bindings, macros, in files that the user names includes of other gin files, and
imports of the modules that the user allows.

This module needs neither TensorFlow nor the rest of the library, so that programs can check gin
files before they import it: see `experiments.gin_check`.
"""

import dataclasses
import difflib
import importlib.util
import pathlib
import re
import stat
import tokenize
from collections.abc import Iterator, Sequence

from dvn_runtime.errors import UserError
from dvn_runtime.files import read_bytes
from gin import config_parser

_LIBRARY = pathlib.Path(__file__).resolve().parents[1]
# Where to look for "gin/j1_cifar.gin" if the current folder has no such file. The gin files lie
# beside the library in a checkout, and inside it in a wheel.
GIN_ROOT = _LIBRARY if (_LIBRARY / "gin").is_dir() else _LIBRARY.parent

_FILE_LIMIT = 2**18  # bytes; the configuration of a run has some thousands
_FILES_LIMIT = 100  # included by one another
_LINE_LIMIT = 10_000  # characters; the parser takes quadratic time
_NESTING_LIMIT = 20
_STRINGS_LIMIT = 1_000  # side by side, which are joined one by one
_VALUES_LIMIT = 100_000  # that a macro or a class stands for


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
        reader.read_text(param, f"--gin_param {short(repr(param))}")
    _check_macros(reader.settings.bindings)
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
    _check_macros(reader.settings.bindings)
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
            raise UserError(f"there is no gin file {short(str(name))}{_suggestion(name)}")
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
        for statement in _parse(text, source):
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
                f"remove the line {short(statement.format())!r}"
            )
        if module not in self._allowed:
            raise UserError(
                f"the import of {short(module)} is refused, as it runs that module ({where}): if "
                f"you trust it, add --gin_import={short(module)} (in Python, "
                f"imports={[short(module)]})"
            )
        self.settings.imports[module] = statement.format()


class _Delegate(config_parser.ParserDelegate):
    """Makes values of gin's references; looks nothing up."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        return Reference(scoped_configurable_name, evaluate)

    def macro(self, macro_name):
        return Macro(macro_name)


def _parse(text: str, source: str) -> Iterator:
    """The statements of a text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _check_form(text, source)
    statements = []
    try:
        statements.extend(config_parser.ConfigParser(text, _Delegate()))
    except (SyntaxError, ValueError, TypeError, RecursionError, tokenize.TokenError) as error:
        # The last line of gin's message is the one that says which text was wrong.
        lines = str(error.args[0] if error.args else error).strip().splitlines()
        message = short(lines[-1].strip().rstrip(".") if lines else "malformed")
        line = error.lineno if isinstance(error, SyntaxError) else None
        where = f"line {line} of {source}" if line and "\n" in text else source
        hint = "; put text in quotes" if message.startswith("Failed to parse token") else ""
        raise UserError(f"cannot read the gin settings: {message}{hint} ({where})") from error
    return iter(statements)


def _check_form(text: str, source: str) -> None:
    """Refuses texts for which gin's parser would take too long or recurse too deeply."""
    if len(text) > _FILE_LIMIT:
        raise UserError(f"{source} is too long: at most {_FILE_LIMIT:,} characters are read")
    if max(map(len, text.split("\n"))) > _LINE_LIMIT:
        raise UserError(f"{source} has a line of more than {_LINE_LIMIT:,} characters: break it")
    depth = strings = 0
    lines = iter(text.splitlines(keepends=True))
    try:
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            depth += (token.string in "([{") - (token.string in ")]}") if token.string else 0
            if token.type == tokenize.STRING:
                strings += 1
            elif token.type not in (tokenize.NL, tokenize.COMMENT):
                strings = 0
            if depth > _NESTING_LIMIT or strings > _STRINGS_LIMIT:
                raise UserError(
                    f"cannot read the gin settings: a value is nested too deeply or in too many "
                    f"parts (line {token.start[0]} of {source})"
                )
    except (SyntaxError, tokenize.TokenError):
        pass  # the parser says what is wrong


def _decoded(path: pathlib.Path, name: str) -> str:
    """The text of a file."""
    try:
        return read_bytes(path, _FILE_LIMIT).decode("utf-8")
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


def short(text: str) -> str:
    """A text in one line of bounded length."""
    text = " ".join(text.split())
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _check_macros(bindings: Sequence[Binding]) -> None:
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
                    raise UserError(f"there is no macro %{short(name)} ({binding.where})")
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
    return short(f"{scoped}.{binding.field}" if binding.field else f"%{scoped}")


_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def check_module_names(imports: Sequence[str]) -> None:
    """Checks that modules can be imported by their names.

    Raises:
        UserError: for text that is no module's name.
    """
    if isinstance(imports, str):
        raise UserError(f"imports is a list of modules, as in [{short(imports)!r}], not one text")
    for name in imports:
        if not isinstance(name, str) or not _MODULE.fullmatch(name):
            raise UserError(
                f"{short(str(name))!r} is no module: give its name as in --gin_import=my_backbone"
            )
