// Bytes, shares and times as the page writes and reads them.

import { decimal } from "./planner.js";

const UNITS = {
  "": 1, b: 1, byte: 1, bytes: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30,
};

/** Bytes in three digits, such as "322 kB" or "1.22 MB". */
export function shortBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const [unit, factor] = bytes < 999_500 ? ["kB", 1e3] : bytes < 999_500_000 ? ["MB", 1e6] : ["GB", 1e9];
  return `${threeDigits(bytes / factor)} ${unit}`;
}

/** All digits of a number of bytes, such as "1,223,421". */
export function allBytes(bytes) {
  return bytes.toLocaleString("en");
}

/** The bytes of a text such as "700 kB", "1.5MB" or "644,588"; null if it is none. */
export function parseBytes(text) {
  const match = /^(\d+(?:\.\d*)?)\s*([a-z]*)$/i.exec(text.trim().replace(/(\d),(?=\d{3})/g, "$1"));
  const factor = match && UNITS[match[2].toLowerCase()];
  if (!factor || match[1].length > 20) return null;
  const { digits, exponent } = decimal(match[1]);
  const bytes = Number((digits * BigInt(factor)) / 10n ** BigInt(-exponent));
  return bytes >= 1 && bytes < 1e15 ? bytes : null;
}

/** A share of 1 as percent. */
export function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/** A time in milliseconds, in three digits. */
export function milliseconds(time) {
  return `${time < 0.01 ? "< 0.01" : threeDigits(time)} ms`;
}

/** Width and height in pixels, kept in one line. */
export function size(height, width) {
  return `${width}\u00a0×\u00a0${height}`;
}

function threeDigits(number) {
  return number.toFixed(number < 10 ? 2 : number < 99.95 ? 1 : 0);
}
