import { isDeepStrictEqual } from 'node:util'
import { type JetStreamClient, StringCodec } from 'nats'
import { definitionText } from '../../runtime/inspect.ts'
import type { Definition } from '../../runtime/types.ts'
import { asked } from './errors.ts'

const BUCKET = 'machines'
const text = StringCodec()

/** The text of every machine version that was ever hosted here, and what stands against hosting some of ours. */
export type Machines = {
  /** JSON text of the machine's config; undefined for a version that was never hosted since there is this bucket. */
  readonly definition: (type: string, version: number) => string | undefined
  /** By type: the machine's structure is not what was hosted under its version before. */
  readonly refused: ReadonlyMap<string, string>
}

/**
 * Keeps the config of each machine under `<type>.<version>`: the first to host a version says what it is. A machine that
 * differs from it was changed without a new version, so that its journal could not be trusted.
 */
export const publishMachines = async (
  js: JetStreamClient,
  definitions: readonly Pick<Definition, 'type' | 'version' | 'machine'>[],
): Promise<Machines> => {
  const kv = await asked(BUCKET, () => js.views.kv(BUCKET, { history: 1 }))
  const known = new Map<string, string>()
  const refused = new Map<string, string>()
  for (const { type, version, machine } of definitions) {
    const key = `${type}.${version}`
    const ours = definitionText(machine)
    await kv.create(key, text.encode(ours)).catch(() => 0) // it is there already: whose it is, is read now
    const entry = await asked(`${BUCKET} ${key}`, () => kv.get(key))
    if (entry?.operation !== 'PUT') throw new Error(`${BUCKET} ${key}: could not be kept; is the bucket writable?`)
    if (!isDeepStrictEqual(JSON.parse(text.decode(entry.value)), JSON.parse(ours))) refused.set(type, complaint(type, version))
  }
  // The keys first: whoever asks for a value while they come is given no more of them.
  const keys: string[] = []
  for await (const key of await asked(BUCKET, () => kv.keys())) keys.push(key)
  for (const key of keys) {
    const entry = await asked(`${BUCKET} ${key}`, () => kv.get(key))
    if (entry?.operation === 'PUT') known.set(key, text.decode(entry.value))
  }
  return { definition: (type, version) => known.get(`${type}.${version}`), refused }
}

const complaint = (type: string, version: number): string =>
  `the machine of ${type} is not what was hosted as version ${version} before: raise its version and add a migration, or, if its old journals may be given up, delete the key ${type}.${version} of the bucket ${BUCKET}`
