"""The operators of LiteRT that networks may have: arithmetic on tensors.

None of them has a state, calls other graphs or runs code of its own. Numbers of operators and of
kinds of options are those of LiteRT's schema.
"""

from typing import NamedTuple


class Operator(NamedTuple):
    """What is known of an operator.

    Attributes:
        name: its name in the schema.
        least: the least number of its inputs.
        most: the greatest.
        options: the number of its kind of options; 0 if it has none.
    """

    name: str
    least: int
    most: int
    options: int = 0


OPERATORS = {
    0: Operator("ADD", 2, 2, 11),
    1: Operator("AVERAGE_POOL_2D", 1, 1, 5),
    2: Operator("CONCATENATION", 1, 1000, 10),
    3: Operator("CONV_2D", 2, 3, 1),
    4: Operator("DEPTHWISE_CONV_2D", 2, 3, 2),
    5: Operator("DEPTH_TO_SPACE", 1, 1, 94),
    6: Operator("DEQUANTIZE", 1, 1, 38),
    8: Operator("FLOOR", 1, 1),
    9: Operator("FULLY_CONNECTED", 2, 3, 8),
    11: Operator("L2_NORMALIZATION", 1, 1, 12),
    14: Operator("LOGISTIC", 1, 1),
    17: Operator("MAX_POOL_2D", 1, 1, 5),
    18: Operator("MUL", 2, 2, 21),
    19: Operator("RELU", 1, 1),
    20: Operator("RELU_N1_TO_1", 1, 1),
    21: Operator("RELU6", 1, 1),
    22: Operator("RESHAPE", 1, 2, 17),
    23: Operator("RESIZE_BILINEAR", 2, 2, 15),
    25: Operator("SOFTMAX", 1, 1, 9),
    26: Operator("SPACE_TO_DEPTH", 1, 1, 19),
    28: Operator("TANH", 1, 1),
    34: Operator("PAD", 2, 2, 22),
    36: Operator("GATHER", 2, 2, 23),
    37: Operator("BATCH_TO_SPACE_ND", 3, 3, 24),
    38: Operator("SPACE_TO_BATCH_ND", 3, 3, 25),
    39: Operator("TRANSPOSE", 2, 2, 26),
    40: Operator("MEAN", 2, 2, 27),
    41: Operator("SUB", 2, 2, 28),
    42: Operator("DIV", 2, 2, 29),
    43: Operator("SQUEEZE", 1, 1, 30),
    45: Operator("STRIDED_SLICE", 4, 4, 32),
    47: Operator("EXP", 1, 1, 33),
    49: Operator("SPLIT", 2, 2, 35),
    50: Operator("LOG_SOFTMAX", 1, 1, 36),
    53: Operator("CAST", 1, 1, 37),
    54: Operator("PRELU", 2, 2),
    55: Operator("MAXIMUM", 2, 2, 39),
    57: Operator("MINIMUM", 2, 2, 39),
    59: Operator("NEG", 1, 1, 42),
    60: Operator("PADV2", 3, 3, 43),
    65: Operator("SLICE", 3, 3, 48),
    67: Operator("TRANSPOSE_CONV", 3, 4, 49),
    70: Operator("EXPAND_DIMS", 2, 2, 52),
    73: Operator("LOG", 1, 1),
    74: Operator("SUM", 2, 2, 27),
    75: Operator("SQRT", 1, 1),
    76: Operator("RSQRT", 1, 1),
    77: Operator("SHAPE", 1, 1, 55),
    78: Operator("POW", 2, 2, 56),
    82: Operator("REDUCE_MAX", 2, 2, 27),
    83: Operator("PACK", 1, 1000, 59),
    88: Operator("UNPACK", 1, 1, 64),
    89: Operator("REDUCE_MIN", 2, 2, 27),
    92: Operator("SQUARE", 1, 1, 66),
    97: Operator("RESIZE_NEAREST_NEIGHBOR", 2, 2, 74),
    98: Operator("LEAKY_RELU", 1, 1, 75),
    99: Operator("SQUARED_DIFFERENCE", 2, 2, 76),
    100: Operator("MIRROR_PAD", 2, 2, 77),
    101: Operator("ABS", 1, 1, 78),
    102: Operator("SPLIT_V", 3, 3, 79),
    111: Operator("ELU", 1, 1),
    114: Operator("QUANTIZE", 1, 1, 89),
    117: Operator("HARD_SWISH", 1, 1, 91),
    126: Operator("BATCH_MATMUL", 2, 2, 101),
    130: Operator("BROADCAST_TO", 2, 2, 104),
    150: Operator("GELU", 1, 1, 116),
    152: Operator("RELU_0_TO_1", 1, 1),
}
# Operators that nothing runs without their options.
NEED_OPTIONS = {1, 2, 3, 4, 17, 23, 49, 67, 83, 88, 102}
# Operators that work value by value on two tensors, and those of them that add.
BROADCAST = {0, 18, 41, 42, 55, 57, 99}
SUMS = {0, 41}
# Operators whose last input may be missing.
BIASED = {3, 4, 9, 67}
# {kind of options: {field: default}}: steps, windows and dilations, which divide and must not be 0.
POSITIVE = {
    1: {1: 0, 2: 0, 4: 1, 5: 1},
    2: {1: 0, 2: 0, 3: 0, 5: 1, 6: 1},
    5: {1: 0, 2: 0, 3: 0, 4: 0},
    49: {1: 0, 2: 0},
}
LISTS = {17: 0, 30: 0}  # {kind of options: its field that is a list of numbers}
