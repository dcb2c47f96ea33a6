"""How convolutions pad their input, in every layer set.

The original networks, and TensorFlow's official ResNet, pad (k - 1) / 2 pixels on both sides of
the input of a k x k convolution. TensorFlow's "same" does so too, except where a convolution
strides: it then pads (0, 1) for k = 3, and the windows are centred on pixels 1, 3, 5, ... while
the shortcut beside them takes pixels 0, 2, 4, ...
"""

import keras
from keras import ops

SYMMETRIC = "symmetric"
SAME = "same"  # TensorFlow's; of networks that versions before 0.3 wrote


def pad_and_convolve(x, kernel, stride: int, padding: str):
    """A convolution with explicit padding, for layers that slice their kernels.

    Args:
        x: (b, h, w, input channels).
        kernel: (size, size, input channels, output channels).
        stride: in pixels.
        padding: `SYMMETRIC` or `SAME`.

    Returns:
        (b, h / stride, w / stride, output channels), rounded up under either padding.
    """
    before, after = _pads(kernel.shape[0], stride, padding)
    if before == after == 0:
        return ops.conv(x, kernel, strides=stride, padding="same")
    x = ops.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    return ops.conv(x, kernel, strides=stride, padding="valid")


def stock_convolution(
    x, filters: int, kernel_size: int, stride: int, padding: str, *, policy, **kwargs
):
    """The same with stock Keras layers: a `Conv2D`, after a `ZeroPadding2D` where one is needed.

    Args:
        x: (b, h, w, input channels).
        filters: output channels.
        kernel_size: side of the square kernel in pixels.
        stride: in pixels.
        padding: `SYMMETRIC` or `SAME`.
        policy: the Keras dtype policy.
        **kwargs: further arguments of `keras.layers.Conv2D`.
    """
    before, after = _pads(kernel_size, stride, padding)
    mode = "same"
    if before or after:
        mode = "valid"
        x = keras.layers.ZeroPadding2D(((before, after), (before, after)), dtype=policy)(x)
    return keras.layers.Conv2D(filters, kernel_size, stride, padding=mode, dtype=policy, **kwargs)(
        x
    )


def _pads(kernel_size: int, stride: int, padding: str) -> tuple[int, int]:
    """Pixels to pad before and after; (0, 0) where "same" pads symmetrically by itself."""
    if padding == SAME or stride == 1:
        return 0, 0
    before = (kernel_size - 1) // 2
    return before, kernel_size - 1 - before
