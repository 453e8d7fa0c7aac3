import { createHash } from 'node:crypto'

/** Stands where a value was. No value of a cluster is ever told from it, and it is itself never redacted further. */
export const MARKER = '<redacted>'

/** Characters that a kept text has at most; what is longer is no name, image, path or expression, and is hidden. */
export const TEXT_CHARACTERS = 1_024
/** The shortest of the formats below. In a shorter text only what is before an `@` may be a secret. */
export const TOKEN_CHARACTERS = 16

// Formats that their issuers document, each with enough randomness that eight hexadecimal digits of a hash tell nothing.
const FORMATS = [
  '(?:AKIA|ASIA)[A-Z0-9]{16}',
  'gh[pousr]_[A-Za-z0-9]{20}',
  'github_pat_[A-Za-z0-9]',
  'glpat-[A-Za-z0-9_-]{20}',
  'xox[abeprs]-[A-Za-z0-9-]{10}',
  'xapp-[0-9]-',
  'AIza[A-Za-z0-9_-]{35}',
  'ya29\\.',
  'eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]',
  '[sr]k_(?:live|test)_[A-Za-z0-9]{16}',
  'sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20}',
  'npm_[A-Za-z0-9]{36}',
  'pypi-AgEI',
  'dckr_pat_',
  'dop_v1_[a-f0-9]{64}',
  'hv[sb]\\.[A-Za-z0-9_-]{20}',
  'SG\\.[A-Za-z0-9_-]{22}\\.',
  'AGE-SECRET-KEY-',
  '-----BEGIN ',
]
const TOKEN = new RegExp(FORMATS.join('|'))
/** A key and its value in one text, as connection strings have it. */
const ASSIGNED =
  /(?:passw(?:or)?d|pwd|secret|token|api[-_]?key|account[-_]?key|credentials?)(?:\s*=\s*|["']:\s*|:\s+)["']?[^\s"',;]/i
/** A user, a password or a token before the host of a URL; not the digest behind the name of an image. */
const USERINFO = /:\/\/\S*@(?!sha(?:256|512):)/g

/**
 * A text that the allow-list keeps, less what looks like a secret in it: this can only remove, never allow. Equal tokens
 * become equal texts and different ones different, so that labels and selectors still match as they did.
 */
export const scrubbed = (text: string): string => {
  if (text.length > TEXT_CHARACTERS) return MARKER
  const plain = text.includes('@') ? text.replace(USERINFO, `://${MARKER}@`) : text
  if (plain.length < TOKEN_CHARACTERS) return plain
  if (TOKEN.test(plain)) return `redacted-${createHash('sha256').update(plain).digest('hex').slice(0, 8)}`
  return hasAssignment(plain) && ASSIGNED.test(plain) ? MARKER : plain
}

// Most texts have neither, and to see that costs a tenth of the form above.
const hasAssignment = (text: string): boolean => text.includes('=') || text.includes(': ') || /["']:/.test(text)
