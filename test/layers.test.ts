import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

/** What each layer may import: packages by name, our own by layer or by unit (`actors/cluster`). */
const mayImport: Readonly<Record<string, RegExp>> = {
  events: /^(zod|events)$/,
  ports: /^events$/,
  runtime: /^(xstate|xstate\/graph|zod|node:(crypto|assert|async_hooks))$/,
  actors: /^(xstate|zod|node:crypto|events|ports|runtime\/(buckets|intent|types))$/,
  adapters:
    /^(adapters\/binaries|events|ports|runtime|zod|nats|undici|highs|pkijs|prom-client|yaml|@kubernetes\/client-node|@aws-sdk\/client-auto-scaling|google-auth-library|@azure\/msal-node|node:.*)$/,
  simulator: /^(zod|events|undici|node:.*)$/,
  commands: /./,
  main: /./,
}
/** A folder that is one thing: its files may import each other. */
const unit = (path: string): string => path.split('/').slice(0, 2).join('/').replace(/\.ts$/, '')
const layer = (path: string): string => unit(path).split('/')[0] ?? ''
const isWhole = (name: string): boolean => ['runtime', 'simulator', 'commands'].includes(name)

// As the formatter leaves them: a statement begins its line, and a long one ends in a line that begins with a brace.
const IMPORT = /(?:^(?:import|export|\})[^\n]*?\bfrom|\bimport)\s*\(?\s*['"`]([^'"`\n]+)['"`]/gm

/** The imports of a source file that its layer forbids. */
const forbidden = (file: string, source: string): readonly string[] =>
  [...source.matchAll(IMPORT)]
    .map(([, name = '']) => name)
    .filter((name) => {
      const target = name.startsWith('.') ? join(dirname(file), name) : name
      if (name.startsWith('.') && (unit(target) === unit(file) || (layer(target) === layer(file) && isWhole(layer(file)))))
        return false
      const allowed = mayImport[layer(file)] ?? /^$/
      const seen = name.startsWith('.') ? [target.replace(/\.ts$/, ''), unit(target), layer(target)] : [name]
      return !seen.some((part) => allowed.test(part))
    })

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))

test('layers: every file imports only what its layer may', () => {
  expect(files.length).toBeGreaterThan(50)
  const wrong = files.flatMap((file) =>
    forbidden(file, readFileSync(join('src', file), 'utf8')).map((name) => `${file} imports ${name}`),
  )
  expect(wrong).toEqual([])
})

test.each([
  ['events/cluster.ts', `import { x } from '../actors/cluster.ts'`],
  ['events/cluster.ts', `import type { x } from "nats"`],
  ['ports.ts', `import { z } from 'zod'`],
  ['runtime/host.ts', `import { subjects } from '../events/subjects.ts'`],
  ['runtime/host.ts', `const nats = await import('nats')`],
  ['actors/agent.ts', `import { cluster } from './cluster.ts'`],
  ['actors/agent.ts', `import { startHost } from '../runtime/host.ts'`],
  ['actors/agent/effects.ts', `import { kubernetesWrites } from '../../adapters/kubernetes/writes.ts'`],
  ['actors/agent.ts', `export { readFileSync } from 'node:fs'`],
  ['adapters/kubernetes/client.ts', `import { jetstreamJournal } from '../jetstream/journal.ts'`],
  ['adapters/kubernetes/client.ts', `import { agent } from '../../actors/agent.ts'`],
  ['simulator/store.ts', `import { fits } from '../actors/evictor/fit.ts'`],
  ['simulator/store.ts', `import {\n  a,\n  b,\n} from "../adapters/kubernetes/client.ts"`],
  ['elsewhere/file.ts', `import 'zod'`],
])('layers: a bad import in %s is seen: %s', (file, source) => {
  expect(forbidden(file, source)).toHaveLength(1)
})

test('layers: good imports are let through', () => {
  expect(
    forbidden('actors/agent.ts', `import { setup } from 'xstate'\nimport type { AgentEvent } from '../events/agent.ts'`),
  ).toEqual([])
  expect(forbidden('actors/evictor/effects.ts', `import type { evictor } from '../evictor.ts'`)).toEqual([])
  expect(
    forbidden('adapters/jetstream/journal.ts', `import { asked } from './errors.ts'\nimport { headers } from 'nats'`),
  ).toEqual([])
})
