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
        text: 'if (last && isSameWrite(last.commit, commit)) return last.seq',
        instead: 'if (last?.commit.n === commit.n && last.commit.cmd === commit.cmd) return last.seq',
      },
    ],
  },
]

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '4000' }, plant: { type: 'string' } } })

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

type Finding = { readonly seed: number; readonly detail: string }

/** The first seed on which the simulation fails with the sources in a folder; undefined if it fails on none of them. */
const simulated = (folder: string, from: number, seeds: number): Promise<Finding | undefined> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['bench/simulation.ts', '--from', String(from), '--seeds', String(seeds)], {
      cwd: folder,
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
    child.on('close', (code) => {
      const [, seed, detail = ''] = /^seed (\d+): (.*)$/m.exec(said) ?? []
      if (code === 0) resolve(undefined)
      else if (seed === undefined) reject(new Error(`the simulation does not run in ${folder}: ${said.slice(-1_000)}`))
      else resolve({ seed: Number(seed), detail })
    })
  })

/** What the plant does, and nothing else: a seed that fails without it as well is passed over. */
const found = async (plant: Plant, sound: string, seeds: number): Promise<Finding | undefined> => {
  const folder = copy()
  try {
    for (const each of plant.edits) edit(folder, each)
    process.stderr.write(`${plant.name} …\n`)
    for (let from = 1; from <= seeds; ) {
      const finding = await simulated(folder, from, seeds - from + 1)
      if (!finding || !(await simulated(sound, finding.seed, 1))) return finding
      from = finding.seed + 1
    }
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const SOUND_SEEDS = 200
const row = (name: string, finding: Finding | undefined, seeds: number): readonly string[] =>
  finding ? [name, String(finding.seed), finding.detail.slice(0, 120)] : [name, 'none', `nothing in ${seeds} seeds`]

const seeds = Number(values.seeds)
const sound = copy()
try {
  const chosen = plants.filter(({ name }) => values.plant === undefined || name === values.plant)
  const findings: (readonly [string, Finding | undefined])[] = []
  for (const plant of chosen) findings.push([plant.name, await found(plant, sound, seeds)])
  const unplanted = await simulated(sound, 1, SOUND_SEEDS)
  process.stdout.write(
    table([
      ['plant', 'found by seed', 'what is said'],
      ...findings.map(([name, finding]) => row(name, finding, seeds)),
      row('nothing planted', unplanted, SOUND_SEEDS),
    ]),
  )
  process.exitCode = unplanted || findings.some(([, finding]) => !finding) ? 1 : 0
} finally {
  rmSync(sound, { recursive: true, force: true })
}
