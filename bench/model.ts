import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Figure, figure } from './figures.ts'
import { writeList } from './model/list.ts'

type Read = Readonly<
  Record<
    'readSeconds' | 'cpuSeconds' | 'peakMib' | 'modelMib' | 'movesPerSecond' | 'questionsPerSecond' | 'nodes' | 'pods' | 'shapes',
    number
  >
>

/** The cluster model of 5,000 nodes and 150,000 pods, read from a List as kubectl prints it. */
export const run = async (): Promise<readonly Figure[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'quartermaster-bench-model-'))
  try {
    const file = join(folder, 'list.json')
    await writeList(file)
    const reader = join(import.meta.dirname, 'model/reader.ts')
    const read = JSON.parse(execFileSync(process.execPath, ['--expose-gc', reader, file], { encoding: 'utf8' })) as Read
    return [
      figure('model: List', statSync(file).size / 2 ** 20, 'MiB'),
      figure('model: pods', read.pods, ''),
      figure('model: shapes', read.shapes, ''),
      figure('model: built from the List', read.readSeconds, 's', { atMost: 30 }),
      figure('model: built from the List, of the processor', read.cpuSeconds, 's'),
      figure('model: memory, peak of the process', read.peakMib, 'MiB', { atMost: 400 }),
      figure('model: memory, when built', read.modelMib, 'MiB'),
      figure('model: moves and rollbacks', read.movesPerSecond, '/s'),
      figure('fit: questions', read.questionsPerSecond, '/s'),
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}
