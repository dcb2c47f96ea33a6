"""The project's Markdown pages, parsed."""

import dataclasses
import functools
import pathlib
import re

from markdown_it import MarkdownIt

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
GUIDE = ROOT / "docs/guide"


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Args:
        language: such as "sh".
        text: what stands between the fences.
    """

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the first line names, as in `# small_vgg.py`; None if there is none."""
        match = re.match(r"# ([\w.]+\.(?:py|gin))\n", self.text)
        return match and match[1]


@functools.cache
def tokens(page: pathlib.Path) -> tuple:
    """The tokens of a page, those of its paragraphs, tables and headings included."""
    parsed = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    return tuple(token for block in parsed for token in (block, *(block.children or ())))


def blocks(page: pathlib.Path, language: str = "") -> list[Block]:
    """The blocks of code of a page, of one language or of all."""
    found = [Block(t.info, t.content) for t in tokens(page) if t.type == "fence"]
    return [block for block in found if language in ("", block.language)]


def code_spans(page: pathlib.Path) -> list[str]:
    """The `code` within the text of a page."""
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def links(page: pathlib.Path) -> list[str]:
    """The targets of a page's links and pictures."""
    attributes = {"link_open": "href", "image": "src"}
    return [t.attrGet(attributes[t.type]) for t in tokens(page) if t.type in attributes]


def anchors(page: pathlib.Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    parsed = tokens(page)
    headings = (
        parsed[number + 1].content
        for number, token in enumerate(parsed)
        if token.type == "heading_open"
    )
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def commands(page: pathlib.Path) -> list[list[str]]:
    """The `python -m` commands of a page, in blocks and within the text, as lists of words."""
    texts = [block.text for block in blocks(page, "sh")] + code_spans(page)
    lines = (line for text in texts for line in text.replace("\\\n", " ").splitlines())
    found = (re.search(r"python -m (.+)", line) for line in lines)
    # Words may hold spaces in quotes, as in --gin_param='Recipe.epochs = 10'.
    return [re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+", match[1]) for match in found if match]
