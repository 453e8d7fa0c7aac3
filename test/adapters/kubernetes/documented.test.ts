import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keptAnnotations, reasonedPrefixes } from '../../../src/adapters/kubernetes/redaction/annotations.ts'
import { KEPT_FLAGS } from '../../../src/adapters/kubernetes/redaction/values.ts'
import { allowList, redacted } from '../../../src/adapters/kubernetes/redaction.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/redaction.md'), 'utf8')
/** What stands under a heading, up to the next one. */
const section = (heading: string): string => page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
const tableUnder = (heading: string): readonly string[] =>
  section(heading)
    .split('\n')
    .filter((line) => line.startsWith('|'))

test('documented: the example of redaction is what redaction does', () => {
  const [before, after] = [...page.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = '']) => JSON.parse(text) as unknown)
  expect(redacted({ group: 'apps', resource: 'deployments' }, before)).toEqual(after)
  expect(JSON.stringify(after)).not.toContain('hunter2')
})

test('documented: the page lists every annotation that is kept', () => {
  const rows = [
    ...keptAnnotations.map(({ key, usedFor }) => `| \`${key}\` | ${usedFor} |`),
    ...reasonedPrefixes.map((prefix) => `| \`${prefix}*\` | suppressed lint findings, without the reason |`),
  ]
  expect(tableUnder('Kept annotations')).toEqual(['| Annotation | Read for |', '|---|---|', ...rows])
})

test('documented: the page lists every flag whose value is kept', () => {
  expect(section('Flags whose values are kept')).toContain([...KEPT_FLAGS].map((flag) => `\`${flag}\``).join(', '))
})

test('documented: the page lists every kind, and the fields that are kept of it', () => {
  const fieldsOf = (rule: unknown): readonly string[] => (typeof rule === 'object' && rule !== null ? Object.keys(rule) : [])
  const rows = Object.entries(allowList).map(([kind, fields]) => {
    const kept = Object.entries(fields).map(([field, rule]) => {
      const below = Array.isArray(rule) ? [] : fieldsOf(rule)
      return below.length === 0 || below.includes('*') ? field : `${field}: ${below.join(', ')}`
    })
    return `| \`${kind}\` | ${kept.join('; ')} |`
  })
  expect(tableUnder('Kept fields, by kind')).toEqual(['| Kind | Fields |', '|---|---|', ...rows])
})
