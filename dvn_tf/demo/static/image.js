// Decodes image files, and draws images. Files never leave the page.

const MOST_PIXELS = 2 ** 26; // 8192 x 8192, as on the device

/**
 * Decodes an image file as it is stored: upright, and without conversion between color spaces.
 *
 * @param {Blob} file in any format that the browser knows.
 * @returns {Promise<{width: number, height: number, rgba: Uint8ClampedArray}>}
 */
export async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error("is not an image that this browser can read");
  }
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) {
      throw new Error(`has ${width} x ${height} pixels, too many`);
    }
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return { width, height, rgba: context.getImageData(0, 0, width, height).data };
  } finally {
    bitmap.close();
  }
}

/** Draws an image into a canvas of its own size; the style sheet scales it. */
export function draw(canvas, { width, height, rgba }) {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
}

/** An image of the pixels that a network takes, to be drawn. */
export function fromPixels(pixels, [height, width, channels]) {
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    for (let j = 0; j < 3; j++) rgba[4 * i + j] = pixels[channels * i + (channels === 1 ? 0 : j)];
    rgba[4 * i + 3] = 255;
  }
  return { width, height, rgba };
}
