import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../src/commands/table.ts'

/** A text that is in the file exactly once, and what stands there instead. */
type Edit = { readonly file: string; readonly text: string; readonly instead: string }
type Plant = { readonly name: string; readonly edits: readonly Edit[] }

/** Bugs of the kind that the runtime must not have: the simulation has to fail on each. */
const plants: readonly Plant[] = [
  {
    name: 'skip the fence',
    edits: [
      {
        file: 'src/runtime/testing/memory-store.ts',
        text: 'if (last !== expected) throw',
        instead: 'if (last < 0) throw',
      },
    ],
  },
  {
    name: 'effect before ack',
    edits: [
      {
        file: 'src/runtime/actor.ts',
        text: '    const seq = await append(ground.journal,',
        instead:
          '    current = book(before, self, record, (before?.seq ?? 0) + 1, next)\n    act(record)\n    const seq = await append(ground.journal,',
      },
    ],
  },
  {
    name: 'timer not re-armed after recovery',
    edits: [
      {
        file: 'src/runtime/actor.ts',
        text: 'for (const { id, due } of current.timers.values()) arm(id, due)',
        instead: 'for (const { id } of current.timers.values()) disarm(id)',
      },
    ],
  },
  {
    name: 'done recorded before done',
    edits: [
      {
        file: 'src/runtime/running.ts',
        text: '      const output = (await perform(',
        instead:
          "      if (intent.kind === 'action') listener.onEnd(intent, { output: null })\n      const output = (await perform(",
      },
    ],
  },
  {
    name: 'owner id left out',
    edits: [
      {
        file: 'src/runtime/append.ts',
        text: 'if (last?.commit.nonce === commit.nonce) return last.seq',
        instead: 'if (last?.commit.n === commit.n && last.commit.cmd === commit.cmd) return last.seq',
      },
    ],
  },
]

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '3000' }, plant: { type: 'string' } } })

/** The sources as they are, in a folder of their own. */
const copy = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-plant-'))
  for (const part of ['src', 'test', 'bench', 'package.json']) cpSync(part, join(folder, part), { recursive: true })
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'))
  return folder
}

const edit = (folder: string, { file, text, instead }: Edit): void => {
  const source = readFileSync(join(folder, file), 'utf8')
  const found = source.split(text).length - 1
  if (found !== 1) throw new Error(`${file}: "${text}" is there ${found} times, not once: the plant has to be moved`)
  writeFileSync(
    join(folder, file),
    source.replace(text, () => instead),
  )
}

/** What the simulation says of the sources in a folder. */
const simulated = (folder: string, seeds: number): Promise<{ readonly code: number; readonly said: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ['bench/simulation.ts', '--seeds', String(seeds)], { cwd: folder })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      if (!/^\r|^\n$/.test(chunk.toString())) said += chunk.toString()
    })
    child.on('close', (code) => resolve({ code: code ?? -1, said }))
  })

const SOUND_SEEDS = 200

const tried = async ({ name, edits }: Plant, seeds: number): Promise<readonly [string, string, string]> => {
  const folder = copy()
  try {
    for (const each of edits) edit(folder, each)
    process.stderr.write(`${name} …\n`)
    const { code, said } = await simulated(folder, seeds)
    const [, seed = '', detail = said.trim().slice(-200)] = /^seed (\d+): (.*)$/m.exec(said) ?? []
    return code === 0 ? [name, 'none', `nothing in ${seeds} seeds`] : [name, seed, detail.slice(0, 120)]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const chosen = plants.filter(({ name }) => values.plant === undefined || name === values.plant)
const rows: (readonly [string, string, string])[] = []
for (const plant of chosen) rows.push(await tried(plant, Number(values.seeds)))
const sound = await tried({ name: 'nothing planted', edits: [] }, SOUND_SEEDS)
process.stdout.write(table([['plant', 'found by seed', 'what is said'], ...rows, sound]))
process.exit(sound[1] === 'none' && rows.every(([, seed]) => seed !== 'none' && seed !== '') ? 0 : 1)
