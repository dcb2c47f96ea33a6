"""A program that prints a setting that must be refused, drawn from a seed.

It is a program because the generator imports TensorFlow.
"""

import random
import sys

from tests.wrong_settings import wrong_bindings

if __name__ == "__main__":
    print(wrong_bindings(random.Random(sys.argv[1])))
