"""Programs: each parses its flags and calls the library."""

import os

# TensorFlow reads this when it is imported: warnings and errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
