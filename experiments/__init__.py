"""Programs: each parses its flags and calls the library.

They import `dvn_tf` only when their flags and gin files were checked, because it imports
TensorFlow, which takes seconds.
"""

import sys

if sys.argv[:1] == ["-m"]:  # Python is looking for the program that it will run
    from experiments import endings

    endings.install()
