"""Damage to files: by chance, as disks and cables do it, and on purpose."""

import json
import os
import pathlib
import random
import shutil

_PAGE = 4096  # bytes


def flip_bit(path: pathlib.Path, rng: random.Random) -> str:
    """Flips one bit."""
    content = bytearray(path.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} flipped"


def zero_page(path: pathlib.Path, rng: random.Random) -> str:
    """Zeroes a page, of a file that has several."""
    content = bytearray(path.read_bytes())
    start = rng.randrange(max(1, len(content) // _PAGE)) * _PAGE
    end = min(start + _PAGE, len(content))
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    return f"bytes {start} to {end} zeroed"


def truncate(path: pathlib.Path, rng: random.Random) -> str:
    """Cuts the file short."""
    size = rng.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"cut to {size} bytes"


def make_empty(path: pathlib.Path, rng: random.Random) -> str:
    """Leaves nothing of the content."""
    os.truncate(path, 0)
    return "made empty"


def random_bytes(path: pathlib.Path, rng: random.Random) -> str:
    """Replaces the content by noise."""
    path.write_bytes(rng.randbytes(rng.randrange(1, 5000)))
    return "replaced by noise"


def append(path: pathlib.Path, rng: random.Random) -> str:
    """Adds bytes at the end."""
    count = rng.randrange(1, 5000)
    path.write_bytes(path.read_bytes() + rng.randbytes(count))
    return f"{count} bytes appended"


def huge(path: pathlib.Path, rng: random.Random) -> str:
    """Makes the file larger than any memory; it takes no room on the disk."""
    os.truncate(path, 2**42)
    return "grown to 4 TiB"


def folder_instead(path: pathlib.Path, rng: random.Random) -> str:
    """Puts a folder in place of the file."""
    path.unlink()
    path.mkdir()
    return "replaced by a folder"


def pipe_instead(path: pathlib.Path, rng: random.Random) -> str:
    """Puts a named pipe in place of the file: whoever opens it waits for ever."""
    path.unlink()
    os.mkfifo(path)
    return "replaced by a pipe"


def link_instead(path: pathlib.Path, rng: random.Random) -> str:
    """Puts a link in place of the file that leads nowhere, in a circle, or to a device."""
    path.unlink()
    target = rng.choice(["nowhere", path.name, "/dev/zero", "/proc/self/mem", "."])
    path.symlink_to(target)
    return f"replaced by a link to {target}"


CHANCE = (flip_bit, flip_bit, zero_page, truncate, make_empty)
INSTEAD = (folder_instead, pipe_instead, link_instead)
ANY = (*CHANCE, random_bytes, append, huge, *INSTEAD)


def remove(path: pathlib.Path) -> None:
    """Removes a file, a folder or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# What a value in a JSON file may become. The texts are JSON, or nearly.
_VALUES = (
    "null", "true", "false", "0", "-1", "1", "2", "1e999", "NaN", "-Infinity", "1e-320",
    "9" * 400, "-" + "9" * 4500, "9223372036854775808", "0.1", '""', '"\\ud800"', '"\\u0000"',
    '"../../x"', '"' + "x" * 100_000 + '"', "[]", "{}", "[[]]", '{"": null}', "[" * 50_000,
    "[" * 50_000 + "]" * 50_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "'", "[1,", "\\",
)  # fmt: skip


def change_json(path: pathlib.Path, rng: random.Random) -> str:
    """Replaces, removes or doubles one value of a JSON file, or the whole of it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    places = list(_places(content))
    place = rng.choice([(), *places])
    mark = "\0here"
    if place and rng.random() < 0.15:
        _parent(content, place).pop(place[-1])
        path.write_text(json.dumps(content))
        return f"without {_shown(place)}"
    if place and isinstance(place[-1], str) and rng.random() < 0.1:
        key = json.dumps(place[-1])
        value = json.dumps(_parent(content, place)[place[-1]])
        _parent(content, place)[place[-1]] = mark
        text = json.dumps(content).replace(json.dumps(mark), f"{value}, {key}: {value}")
        path.write_text(text)
        return f"{_shown(place)} doubled"
    new = rng.choice(_VALUES)
    if place:
        _parent(content, place)[place[-1]] = mark
        new_text = json.dumps(content).replace(json.dumps(mark), new)
    else:
        new_text = new
    path.write_text(new_text)
    return f"{_shown(place)} became {new:.30}"


def _places(content, place=()):
    """The paths of all values within a JSON value."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*place, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*place, key))


def _parent(content, place):
    for key in place[:-1]:
        content = content[key]
    return content


def _shown(place) -> str:
    return ".".join(map(str, place)) or "everything"
