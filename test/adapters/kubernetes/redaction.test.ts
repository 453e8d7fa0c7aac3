import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allowList, redacted } from '../../../src/adapters/kubernetes/redaction.ts'
import { plantedEverywhere, secrets } from './planted.ts'

const pods = { group: '', resource: 'pods' }

/** Every piece of eight characters of the secret, as it is and in base64 (whose middle does not depend on what is around). */
const piecesOf = (secret: string): readonly string[] =>
  [
    secret,
    ...[0, 1, 2].map((shift) =>
      Buffer.from(' '.repeat(shift) + secret)
        .toString('base64')
        .slice(4, -4),
    ),
  ].flatMap((text) => Array.from({ length: Math.max(0, text.length - 7) }, (_, from) => text.slice(from, from + 8)))

test('redaction: a secret planted anywhere is in no part of what is left, nor of the report', () => {
  fc.assert(
    fc.property(secrets, (secret) => {
      const pieces = piecesOf(secret)
      for (const { object, where, ...kind } of plantedEverywhere(secret)) {
        const heard: string[] = []
        const text = JSON.stringify([redacted(kind, object, (path) => heard.push(path)), heard])
        expect(pieces.filter((piece) => text.includes(piece)).length > 0 ? `${where}: ${text}` : '').toBe('')
      }
    }),
    { numRuns: 3 },
  )
})

test('redaction: what is redacted stays as it is when it is redacted again', () => {
  fc.assert(
    fc.property(secrets, (secret) => {
      for (const { object, where, ...kind } of plantedEverywhere(secret)) {
        const once = redacted(kind, object)
        expect(redacted(kind, once), where).toEqual(once)
      }
    }),
    { numRuns: 1 },
  )
})

const fieldsOf = (rule: unknown): readonly string[] =>
  typeof rule === 'object' && rule !== null ? Object.entries(rule).flatMap(([field, inner]) => [field, ...fieldsOf(inner)]) : []
const vocabulary = [...new Set(Object.values(allowList).flatMap(fieldsOf)), 'metadata', 'annotations', '__proto__', 'constructor']
const { garbage } = fc.letrec((tie) => ({
  garbage: fc.oneof(
    { maxDepth: 8, withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, 7, '', 'text', '<redacted>', '100m', '--password=x', '2026-01-01T00:00:00Z'),
    fc.array(tie('garbage'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...vocabulary), fc.string({ maxLength: 8 })), tie('garbage'), { maxKeys: 6 }),
  ),
}))

test('redaction: whatever an API sends comes out as JSON that stays the same when it is redacted again', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(allowList)), garbage, (name, sent) => {
      const [resource = '', ...group] = name.split('.')
      const kind = { group: group.join('.'), resource }
      const once = redacted(kind, JSON.parse(JSON.stringify({ metadata: { name: 'x' }, spec: sent, status: sent, data: sent })))
      const read: unknown = JSON.parse(JSON.stringify(once))
      expect(read).toEqual(once)
      expect(redacted(kind, read)).toEqual(once)
    }),
    { numRuns: 1_000 },
  )
})

test.each([
  ['a password in a URL', 'https://admin:hunter2@registry.example.com/app', 'https://<redacted>@registry.example.com/app'],
  ['no digest', 'docker-pullable://app@sha256:0123456789abcdef', 'docker-pullable://app@sha256:0123456789abcdef'],
  ['no name', 'example.com/vault-secret:1.2.3@sha256:0123456789', 'example.com/vault-secret:1.2.3@sha256:0123456789'],
  ['an assignment', 'app --token=hunter2', '<redacted>'],
  ['a long text', 'x'.repeat(1_025), '<redacted>'],
  ['a PEM block', '-----BEGIN RSA PRIVATE KEY-----', expect.stringMatching(/^redacted-[0-9a-f]{8}$/)],
])('redaction: of a kept text %s is removed', (_, image, left) => {
  expect(redacted(pods, { spec: { containers: [{ image }] } })).toEqual({ spec: { containers: [{ image: left }] } })
})

test('redaction: equal tokens stay equal and different ones different, so that selectors match as they did', () => {
  const [one, two] = ['ghp_0123456789abcdefghij', 'ghp_0123456789abcdefghiJ']
  const left = redacted(pods, { metadata: { labels: { a: one, b: two } }, spec: { nodeSelector: { c: one } } }) as {
    metadata: { labels: Record<string, string> }
    spec: { nodeSelector: Record<string, string> }
  }
  const { a, b } = left.metadata.labels
  expect(a).not.toBe(b)
  expect(left.spec.nodeSelector).toEqual({ c: a })
  expect(JSON.stringify(left)).not.toContain('ghp_')
})

test('redaction: of a Secret nothing is left, and of a kind without a rule its metadata', () => {
  expect(redacted({ group: '', resource: 'secrets' }, { metadata: { name: 'x' }, data: {} })).toBeUndefined()
  const widget = { kind: 'Widget', metadata: { name: 'x' }, spec: { size: 1 } }
  expect(redacted({ group: 'example.com', resource: 'widgets' }, widget)).toEqual({ kind: 'Widget', metadata: { name: 'x' } })
})

test('redaction: what the heuristics of a flag keep are names, Booleans, and what the CIS benchmark asks for', () => {
  const args = [
    'server',
    '--v=2',
    '--anonymous-auth=false',
    '--authorization-mode=Node,RBAC',
    '--token',
    'abc',
    '-n',
    '-pabc',
    '-f=x',
    '--',
  ]
  expect(redacted(pods, { spec: { containers: [{ args }] } })).toEqual({
    spec: {
      containers: [
        {
          args: [
            '<redacted>',
            '--v=<redacted>',
            '--anonymous-auth=false',
            '--authorization-mode=Node,RBAC',
            '--token',
            '<redacted>',
            '-n',
            '-p<redacted>',
            '-f<redacted>',
            '--',
          ],
        },
      ],
    },
  })
})
