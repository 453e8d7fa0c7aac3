const INDEFINITE = 0x80
const LONG_FORM = 0x80
const CONSTRUCTED = 0x20
const MORE_TAG_BYTES = 0x1f
/** A kubelet's request is nine deep. */
const MOST_DEPTH = 16

/**
 * Whether the bytes are exactly one value in DER, in a part that X.509 keeps to: tags of one byte, lengths definite and
 * as short as they can be, nothing after the end. Whoever reads other encodings (BER) may read them otherwise than the
 * signer does, and would judge another request than the one that is signed.
 */
export const isDer = (bytes: Uint8Array): boolean => ends(bytes, 0, bytes.length, 0) === bytes.length

/** Where the value ends that begins at `from`; undefined: it is no DER, or does not end before `limit`. */
const ends = (bytes: Uint8Array, from: number, limit: number, depth: number): number | undefined => {
  const tag = bytes[from]
  if (tag === undefined || (tag & MORE_TAG_BYTES) === MORE_TAG_BYTES || depth > MOST_DEPTH) return undefined
  const length = lengthAt(bytes, from + 1)
  if (length === undefined) return undefined
  const end = length.at + length.value
  if (end > limit) return undefined
  if ((tag & CONSTRUCTED) === 0) return end
  let at: number | undefined = length.at
  while (at !== undefined && at < end) at = ends(bytes, at, end, depth + 1)
  return at
}

const lengthAt = (bytes: Uint8Array, at: number): { readonly at: number; readonly value: number } | undefined => {
  const first = bytes[at]
  if (first === undefined || first === INDEFINITE) return undefined
  if (first < LONG_FORM) return { at: at + 1, value: first }
  const count = first - LONG_FORM
  if (count > 3 || at + count >= bytes.length) return undefined
  const value = bytes.subarray(at + 1, at + 1 + count).reduce((sum, byte) => sum * 256 + byte, 0)
  const isShortest = value >= (count === 1 ? LONG_FORM : 256 ** (count - 1))
  return isShortest ? { at: at + 1 + count, value } : undefined
}
