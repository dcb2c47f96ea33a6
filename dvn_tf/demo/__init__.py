"""A page that shows an export in the browser: every task's level, answer and bytes at a budget.

server.py       what is served, to whom, and nothing else
description.py  what the page is told of the export
samples.py      a few images to try it with
litert_js.py    the WebAssembly runtime, from its npm package
static/         the page: HTML, a style sheet and JavaScript modules, served as they are
"""
