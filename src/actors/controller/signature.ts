import { createPublicKey, verify } from 'node:crypto'
import type { Signature } from '../../events/orders.ts'

/** JSON with the fields of every object in alphabetical order, and without those that are undefined. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )

/** What is signed: the subject of the command, and its complete payload but for the signature. */
export const signedText = (cluster: string, verb: string, payload: object): string =>
  canonical({ subject: `qm.${cluster}.cmd.controller.${verb}`, payload: { ...payload, signature: undefined } })

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** The 32 bytes of a public nkey: base32 of a byte for its kind, the key, and two of a checksum. */
const keyBytes = (nkey: string): Buffer => {
  const bits = [...nkey].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const bytes = bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []
  return Buffer.from(bytes).subarray(1, 33)
}
/** An ed25519 key in SubjectPublicKeyInfo (RFC 8410 §4): this, then the key itself. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** Pure: why the signature does not hold; undefined: it does. */
export const signatureFault = (
  keys: Readonly<Record<string, string>>,
  signature: Signature | undefined,
  text: string,
): string | undefined => {
  if (!signature) return 'it is not signed'
  const nkey = Object.hasOwn(keys, signature.key) ? keys[signature.key] : undefined
  if (nkey === undefined) return `the key "${signature.key}" is not trusted`
  const key = createPublicKey({ key: Buffer.concat([SPKI, keyBytes(nkey)]), format: 'der', type: 'spki' })
  return verify(null, Buffer.from(text), key, Buffer.from(signature.value, 'base64url'))
    ? undefined
    : `the signature by "${signature.key}" does not fit the order`
}
