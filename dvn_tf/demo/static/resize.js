// Images in the form that a task's networks take, pixel for pixel as Pillow makes them.
//
// Pillow resizes in two passes, columns and then rows, with weights of 22 bits after the point
// and 8-bit pixels in between. Its kernel widens when it shrinks: that is the antialiasing.
// Pillow 13 resizes the rows of some sizes first, and single pixels then differ by one.

const PRECISION = 22; // bits
const HALF = 1 << (PRECISION - 1);

/**
 * Converts an image to grey or RGB and resizes it, bilinear, whatever the aspect ratio.
 *
 * @param {{width: number, height: number, rgba: Uint8ClampedArray}} image
 * @param {number[]} shape [height, width, channels] of the result.
 * @param {?number} cropFrom If it is given, the central square of the image is resized to as many
 *     pixels in each direction, and the middle of that is the result.
 * @returns {Uint8Array} height x width x channels.
 */
export function toShape({ width, height, rgba }, shape, cropFrom = null) {
  const [outHeight, outWidth, channels] = shape;
  const pixels = channels === 1 ? toGrey(rgba) : toRgb(rgba);
  if (cropFrom === null) return resize(pixels, width, height, outWidth, outHeight, channels);
  const side = Math.min(width, height);
  const square = middle(pixels, width, height, side, side, channels);
  const resized = resize(square, side, side, cropFrom, cropFrom, channels);
  return middle(resized, cropFrom, cropFrom, outWidth, outHeight, channels);
}

/** The pixels in the middle of an image. */
function middle(pixels, width, height, outWidth, outHeight, channels) {
  const [left, top] = [(width - outWidth) >> 1, (height - outHeight) >> 1];
  const result = new Uint8Array(outHeight * outWidth * channels);
  for (let row = 0; row < outHeight; row++) {
    const start = ((top + row) * width + left) * channels;
    result.set(pixels.subarray(start, start + outWidth * channels), row * outWidth * channels);
  }
  return result;
}

function resize(pixels, width, height, outWidth, outHeight, channels) {
  if (width !== outWidth) {
    pixels = resizeLines(pixels, height, width, outWidth, width * channels, channels, channels);
  }
  if (height !== outHeight) {
    const line = outWidth * channels;
    pixels = resizeLines(pixels, line, height, outHeight, 1, line, 1);
  }
  return pixels;
}

/** ITU-R 601-2 luma in Pillow's fixed-point arithmetic; transparency is ignored. */
function toGrey(rgba) {
  const grey = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < grey.length; i++) {
    const j = 4 * i;
    grey[i] = (rgba[j] * 19595 + rgba[j + 1] * 38470 + rgba[j + 2] * 7471 + 0x8000) >>> 16;
  }
  return grey;
}

function toRgb(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let i = 0, j = 0; j < rgb.length; i += 4, j += 3) {
    rgb[j] = rgba[i];
    rgb[j + 1] = rgba[i + 1];
    rgb[j + 2] = rgba[i + 2];
  }
  return rgb;
}

/**
 * Resizes the lines of an image in one direction.
 *
 * Pixel `position` of line `line` lies at line * between + position * step + channel. The lines
 * are rows in the first pass. In the second they are columns, each channel of its own.
 */
function resizeLines(pixels, lines, size, outSize, between, step, channels) {
  const kernels = makeKernels(size, outSize);
  const result = new Uint8Array((pixels.length / size) * outSize);
  const outBetween = between === 1 ? 1 : outSize * channels;
  for (let line = 0; line < lines; line++) {
    for (let position = 0; position < outSize; position++) {
      const { first, weights } = kernels[position];
      for (let channel = 0; channel < channels; channel++) {
        let sum = HALF, at = line * between + first * step + channel;
        for (let i = 0; i < weights.length; i++, at += step) sum += pixels[at] * weights[i];
        const value = sum >> PRECISION;
        const out = line * outBetween + position * step + channel;
        result[out] = value < 0 ? 0 : value > 255 ? 255 : value;
      }
    }
  }
  return result;
}

/** For each pixel of the result, the first pixel that it is made of, and all their weights. */
function makeKernels(size, outSize) {
  const scale = size / outSize;
  const support = Math.max(scale, 1); // half the width of the kernel, a triangle
  return Array.from({ length: outSize }, (_, position) => {
    const center = (position + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), size);
    const triangle = [];
    for (let i = first; i < end; i++) {
      const distance = Math.abs((i - center + 0.5) * (1 / support));
      triangle.push(distance < 1 ? 1 - distance : 0);
    }
    const total = triangle.reduce((sum, weight) => sum + weight, 0);
    const weights = triangle.map((weight) => Math.trunc(0.5 + (weight / total) * 2 ** PRECISION));
    return { first, weights };
  });
}
