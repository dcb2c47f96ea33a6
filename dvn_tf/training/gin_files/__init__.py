"""gin text as data: what it says, read without running anything.

gin itself imports the modules that a file names, calls what they define, searches Python packages
for files, and opens whatever lies at a path. Here a text is only parsed. Of its statements these
are accepted: bindings, macros, in files that the user names includes of other gin files, and
imports of the modules that the user allows.

This package needs neither TensorFlow nor the rest of the library, and its modules import each other
by relative names, so that programs can check gin files before they import the library: see
`experiments.gin_check`.
"""

from .reader import GIN_ROOT, check_module_names, read_files, read_run_config
from .statements import Binding, Macro, Reference, Settings

__all__ = [
    "GIN_ROOT",
    "Binding",
    "Macro",
    "Reference",
    "Settings",
    "check_module_names",
    "read_files",
    "read_run_config",
]
