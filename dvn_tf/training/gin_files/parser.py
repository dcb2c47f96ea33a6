"""Parses gin text with gin's own parser, within bounds."""

import tokenize

from dvn_runtime.errors import UserError, one_line
from gin import config_parser

from .statements import Macro, Reference

TEXT_LIMIT = 2**18  # characters, or bytes of a file; the configuration of a run has some thousands
_LINE_LIMIT = 10_000  # characters; the parser takes quadratic time
_NESTING_LIMIT = 20
_STRINGS_LIMIT = 1_000  # side by side, which are joined one by one


class _Delegate(config_parser.ParserDelegate):
    """Makes values of gin's references; looks nothing up."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        return Reference(scoped_configurable_name, evaluate)

    def macro(self, macro_name):
        return Macro(macro_name)


def parse(text: str, source: str) -> list:
    """The statements of a text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _check_form(text, source)
    statements = []
    try:
        statements.extend(config_parser.ConfigParser(text, _Delegate()))
    except (SyntaxError, ValueError, TypeError, RecursionError, tokenize.TokenError) as error:
        # The last line of gin's message is the one that says which text was wrong.
        lines = str(error.args[0] if error.args else error).strip().splitlines()
        message = one_line(lines[-1].strip().rstrip(".") if lines else "malformed")
        line = error.lineno if isinstance(error, SyntaxError) else None
        where = f"line {line} of {source}" if line and "\n" in text else source
        hint = "; put text in quotes" if message.startswith("Failed to parse token") else ""
        raise UserError(f"cannot read the gin settings: {message}{hint} ({where})") from error
    return statements


def _check_form(text: str, source: str) -> None:
    """Refuses texts for which gin's parser would take too long or recurse too deeply."""
    if len(text) > TEXT_LIMIT:
        raise UserError(f"{source} is too long: at most {TEXT_LIMIT:,} characters are read")
    if max(map(len, text.split("\n"))) > _LINE_LIMIT:
        raise UserError(f"{source} has a line of more than {_LINE_LIMIT:,} characters: break it")
    depth = strings = 0
    lines = iter(text.splitlines(keepends=True))
    try:
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            depth += (token.string in "([{") - (token.string in ")]}") if token.string else 0
            if token.type == tokenize.ERRORTOKEN and token.string[:1] in ("'", '"'):
                where = f"line {token.start[0]} of {source}" if "\n" in text else source
                raise UserError(
                    f"cannot read the gin settings: a text has no closing quote ({where})"
                )
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
