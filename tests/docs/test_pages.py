"""What the pages say exists, and they are well formed."""

import functools
import re

import pytest
from docs.pages import GUIDE, PAGES, ROOT, anchors, blocks, code_spans, commands, links, tokens

OWN = ("experiments", "dvn_runtime", "dvn_tf")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def test_all_pages_are_found():
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", "docs/glossary.md", "docs/guide/extend.md"} <= names


def test_the_readme_is_a_front_door():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_the_readme_leads_to_every_page():
    seen, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        seen.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        new |= {target for target in targets if target in PAGES} - seen
    assert seen == set(PAGES)


@every_page
def test_links_resolve(page):
    for link in links(page):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@every_page
def test_tables_are_well_formed(page):
    text = page.read_text(encoding="utf-8")
    fenced = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n?)+", fenced, re.MULTILINE)
    for table in tables:
        rows = table.splitlines()
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
        assert len(widths) == 1 and all(row.rstrip().endswith("|") for row in rows), rows[0]
        assert len(rows) > 2, rows[0]
        assert re.fullmatch(r"\|(\s*:?-+:?\s*\|)+\s*", rows[1]), rows[0]
    # A blank line breaks a table: its second half has no head, and is found above.
    assert len(tables) == sum(token.type == "table_open" for token in tokens(page))


@every_page
def test_gin_files_exist(page):
    for name in re.findall(r"\bgin/[\w/]+\.gin", page.read_text(encoding="utf-8")):
        assert (ROOT / name).is_file(), name


@every_page
def test_paths_exist(page):
    if page.name == "CHANGELOG.md":
        return  # it also names paths of former versions
    for span in code_spans(page):
        if re.fullmatch(r"(dvn_\w+|tests|experiments|docs|gin|device)/[\w/]*(\.\w+)?", span):
            assert (ROOT / span).exists(), span


@every_page
def test_python_blocks_compile(page):
    for block in blocks(page, "python"):
        compile(block.text, str(page), "exec")


@functools.cache
def flags_of(module, run_program):
    """The flags that a program shows."""
    done = run_program(module, "--help")
    flags = set(re.findall(r"--(?:\[no\])?(\w+)", done.stdout))
    assert flags, done.stderr
    return flags


@every_page
def test_programs_and_their_flags_exist(page, run_program):
    for module, *words in commands(page):
        if module.partition(".")[0] not in OWN:
            continue
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
        for word in words:
            if flag := re.match(r"--(\w+)", word):
                assert flag[1] in flags_of(module, run_program), f"{module} {word}"


def test_commands_are_found():
    found = [command[0] for page in PAGES for command in commands(page)]
    assert len(found) > 40
    programs = {path.stem for path in (ROOT / "experiments").glob("*.py")}
    named = {name.partition(".")[2] for name in found if name.startswith("experiments.")}
    assert {"joint", "sequential", "compare", "export", "latency", "benchmark"} <= named <= programs


def test_fidelity_names_what_the_sources_have():
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("dvn_tf", "dvn_runtime")
        for path in (ROOT / folder).rglob("*.py")
    )
    words = set(re.findall(r"\w+", sources))
    spans = [span for span in code_spans(ROOT / "docs/fidelity.md") if "/" not in span]
    assert len(spans) > 15
    for span in spans:
        assert set(re.findall(r"[A-Za-z_]\w+", span)) <= words, span


def test_own_data_shows_the_gin_file():
    settings = [
        line
        for line in (ROOT / "gin/own_tasks.gin").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    shown = blocks(GUIDE / "own_data.md", "gin")[0].text
    assert [line for line in shown.splitlines() if line] == settings
