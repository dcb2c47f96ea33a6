"""When, with which versions and on what machines the runs were trained."""

import pandas as pd

from dvn_tf.comparison import markdown
from dvn_tf.comparison.comparison import Comparison

_NOT_RECORDED = "not recorded"


def _short_commit(commit: str) -> str:
    """Its first ten digits, and the "+" that marks changed files."""
    return commit[:10] + ("+" if commit.endswith("+") else "")


def _machine(device: str, cores: float) -> str:
    return f"{device}, {cores:.0f} CPU core{'' if cores == 1 else 's'}"


# {row of the table: (columns of `runs.read_runs`, how they read)}
_FACTS = {
    "dvn_tf": (["dvn_tf"], str),
    "commit": (["commit"], _short_commit),
    "Keras": (["keras"], str),
    "backend": (["backend", "backend_version"], "{} {}".format),
    "Python": (["python"], str),
    "machine": (["device", "cores"], _machine),
}


def provenance_table(comparison: Comparison) -> markdown.Table:
    """Dates, versions, machines and training time, a row each.

    Where runs differ, a row names each value with the runs that have it.
    """
    runs = _runs(comparison)
    rows = [[fact, _described(runs, runs[fact])] for fact in _FACTS]
    seconds = runs.groupby("machine", sort=False)["seconds"].sum()
    times = [f"{markdown.duration(time)} on {machine}" for machine, time in seconds.items()]
    if [*seconds.index] == [_NOT_RECORDED]:
        times = [markdown.duration(seconds.iloc[0])]
    return ["Trained", ""], [
        ["finished", _dates(runs["finished"])],
        *rows,
        ["training time, all runs", "; ".join(times)],
    ]


def differing(comparison: Comparison) -> str:
    """A line that names what differs between the runs; "" if nothing does."""
    runs = _runs(comparison)
    found = [fact for fact in _FACTS if runs[fact].nunique() > 1]
    if not found:
        return ""
    text = f"**The runs differ in {markdown.joined(found)}.**"
    if "machine" in found:
        text += " Training times of different machines cannot be compared."
    if found != ["machine"]:
        text += " Other versions may train a little differently."
    return text


def machines(comparison: Comparison, method: str | None = None) -> list[str]:
    """The machines that all runs, or those of one method, were trained on."""
    runs = _runs(comparison)
    runs = runs[runs["method"] == method] if method else runs
    return [*runs["machine"].replace(_NOT_RECORDED, "a machine that is not recorded").unique()]


def _runs(comparison: Comparison) -> pd.DataFrame:
    """A row for each run, with what each fact reads."""
    runs = comparison.outputs.drop_duplicates("run")
    texts = {}
    for fact, (columns, form) in _FACTS.items():
        values = runs[columns].itertuples(index=False, name=None)
        texts[fact] = [
            _NOT_RECORDED if any(map(pd.isna, value)) else form(*value) for value in values
        ]
    return runs[["method", "title", "seed", "seconds", "finished"]].assign(**texts)


def _described(runs: pd.DataFrame, texts: pd.Series) -> str:
    groups = runs.groupby(texts, sort=False)
    if len(groups) == 1:
        return texts.iloc[0]
    described = []
    for text, group in groups:
        methods = [
            f"{title} {', '.join(map(str, seeds))}"
            for title, seeds in group.groupby("title", sort=False)["seed"]
        ]
        described.append(f"{text} ({'; '.join(methods)})")
    return "; ".join(described)


def _dates(finished: pd.Series) -> str:
    """The first and the last day, in UTC as recorded."""
    days = sorted({time[:10] for time in finished.dropna()})
    if not days:
        return _NOT_RECORDED
    text = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    missing = finished.isna().sum()
    return f"{text} ({missing} {_NOT_RECORDED})" if missing else text
