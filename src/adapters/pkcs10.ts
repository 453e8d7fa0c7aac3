import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { SocketAddress } from 'node:net'
import type { CertificationRequest, Extension, GeneralName } from 'pkijs'
import type { Pkcs10 } from '../events/certificates.ts'
import { isDer } from './pkcs10/der.ts'

/** A kubelet's request in PEM has about 500 bytes, with an RSA key of 8192 bits 2,500. */
const MOST_PEM_BYTES = 16_384
const MOST_NAMES = 100

const PEM = /^-----BEGIN CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE REQUEST-----\s*$/
const SUBJECT_ALT_NAME = '2.5.29.17'
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'
const SUBJECT_TYPES: Readonly<Record<string, string>> = { '2.5.4.3': 'CN', '2.5.4.10': 'O' }
/** Strings of other types are read otherwise by some. */
const STRING_TAGS: ReadonlySet<number> = new Set([12, 19])
const [EMAIL, DNS, URI, IP] = [1, 2, 6, 7]

class Malformed extends Error {}

/**
 * What a request for a certificate (PKCS#10) asks for. It is read as Go's crypto/x509 reads it, which is what the signer
 * does, or not at all: one PEM block, DER alone, no attribute or extension twice.
 * @param base64 of the PEM text, as in `spec.request`
 * @returns `unreadable` with the reason for what is no such request; it never throws
 */
export const readPkcs10 = async (base64: string): Promise<Pkcs10 | { readonly unreadable: string }> => {
  try {
    return await read(derIn(base64))
  } catch (error) {
    // What the library says of bytes that are none of its own is no sentence, and may quote them.
    return { unreadable: error instanceof Malformed ? error.message : 'it is no PKCS#10 request' }
  }
}

const derIn = (base64: string): Buffer => {
  if (base64.length > (MOST_PEM_BYTES * 4) / 3) throw new Malformed(`it is longer than ${MOST_PEM_BYTES} bytes`)
  const block = PEM.exec(Buffer.from(base64, 'base64').toString('latin1'))?.[1]
  if (block === undefined) throw new Malformed('it is not one PEM block CERTIFICATE REQUEST and nothing else')
  const der = Buffer.from(block, 'base64')
  if (!isDer(der)) throw new Malformed('it is not DER')
  return der
}

const read = async (der: Buffer): Promise<Pkcs10> => {
  const pkijs = await import('pkijs') // 180 ms that only those pay who approve requests
  const request = pkijs.CertificationRequest.fromBER(der)
  if (request.version !== 0) throw new Malformed(`it is of version ${request.version}`)
  const extensions = extensionsOf(request, pkijs)
  const names = namesIn(extensions, pkijs)
  const key = keyOf(request)
  return {
    subject: request.subject.typesAndValues.map(({ type, value }) => ({
      type: SUBJECT_TYPES[type] ?? type,
      value: textOf(value),
    })),
    ...names,
    extensions: extensions.map(({ extnID }) => extnID).filter((id) => id !== SUBJECT_ALT_NAME),
    key: kindOfKey(key),
    signed: isSigned(request, key),
  }
}

type Pkijs = typeof import('pkijs')

const extensionsOf = ({ attributes = [] }: CertificationRequest, { Extensions }: Pkijs): readonly Extension[] => {
  const asked = attributes.filter(({ type }) => type === EXTENSION_REQUEST)
  if (asked.length < attributes.length) throw new Malformed('it has attributes other than the request for extensions')
  if (asked.length === 0) return []
  const [first, ...more] = asked.flatMap(({ values }) => values)
  if (first === undefined || more.length > 0) throw new Malformed('it asks for extensions more than once')
  const { extensions } = new Extensions({ schema: first })
  const ids = extensions.map(({ extnID }) => extnID)
  if (new Set(ids).size < ids.length) throw new Malformed('it asks for an extension twice')
  return extensions
}

type Names = Pick<Pkcs10, 'dnsNames' | 'ipAddresses' | 'otherNames'>

const namesIn = (extensions: readonly Extension[], { GeneralNames }: Pkijs): Names => {
  const extension = extensions.find(({ extnID }) => extnID === SUBJECT_ALT_NAME)
  if (!extension) return { dnsNames: [], ipAddresses: [], otherNames: [] }
  const der = extension.extnValue.valueBlock.valueHexView
  if (!isDer(der)) throw new Malformed('its alternative names are not DER')
  const { names } = GeneralNames.fromBER(der)
  if (names.length > MOST_NAMES) throw new Malformed(`it has more than ${MOST_NAMES} alternative names`)
  return {
    dnsNames: names.filter(({ type }) => type === DNS).map(({ value }) => printable(value)),
    ipAddresses: names.filter(({ type }) => type === IP).map(addressOf),
    otherNames: names.filter(({ type }) => type !== DNS && type !== IP).map(({ type }) => kindOf(type)),
  }
}

const kindOf = (type: number): string => (type === EMAIL ? 'email' : type === URI ? 'URI' : `GeneralName [${type}]`)

const addressOf = ({ value }: GeneralName): string => {
  const bytes: Uint8Array = value.valueBlock.valueHexView
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new Malformed(`an IP address has ${bytes.length} bytes`)
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) * 256 + (bytes[2 * at + 1] ?? 0)).toString(16))
  return canonicalAddress(groups.join(':')) ?? ''
}

/** An IP address in the one text that stands for it; undefined for what is none. */
export const canonicalAddress = (text: string): string | undefined => {
  const family = text.includes(':') ? 'ipv6' : 'ipv4'
  try {
    return new SocketAddress({ address: text, family }).address
  } catch {
    return undefined
  }
}

const textOf = (value: {
  readonly idBlock: { readonly tagNumber: number }
  readonly valueBlock: { readonly value: unknown }
}): string => {
  if (!STRING_TAGS.has(value.idBlock.tagNumber))
    throw new Malformed('a part of its subject is neither UTF8String nor PrintableString')
  return printable(value.valueBlock.value)
}

const CHARACTERS = /^[\x20-\x7e]{1,300}$/
const printable = (value: unknown): string => {
  if (typeof value !== 'string' || !CHARACTERS.test(value))
    throw new Malformed('a name in it is not printable ASCII of at most 300 characters')
  return value
}

const CURVE_BITS: Readonly<Record<string, number>> = { prime256v1: 256, secp384r1: 384, secp521r1: 521 }

const keyOf = ({ subjectPublicKeyInfo }: CertificationRequest): KeyObject =>
  createPublicKey({ key: Buffer.from(subjectPublicKeyInfo.toSchema().toBER()), format: 'der', type: 'spki' })

const kindOfKey = ({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): Pkcs10['key'] => {
  const { modulusLength, namedCurve = '' } = asymmetricKeyDetails
  return { type: asymmetricKeyType ?? 'unknown', bits: modulusLength ?? CURVE_BITS[namedCurve] ?? 0 }
}

/** ECDSA and RSA (PKCS#1 v1.5) with SHA-2, which is what kubelets sign with. */
const HASHES: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
}

/** By OpenSSL: PKI.js also takes a signature whose numbers are ENUMERATED. */
const isSigned = ({ signatureAlgorithm, signatureValue, tbsView }: CertificationRequest, key: KeyObject): boolean => {
  const hash = HASHES[signatureAlgorithm.algorithmId]
  if (hash === undefined || signatureValue.valueBlock.unusedBits !== 0) return false
  return verify(hash, tbsView, key, signatureValue.valueBlock.valueHexView)
}
