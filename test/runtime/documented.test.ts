import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

const blocks = async (language: string): Promise<readonly string[]> => {
  const page = await readFile(join(root, 'docs/runtime.md'), 'utf8')
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block)
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'documented-'))
  for (const needed of ['node_modules', 'src', 'package.json']) await symlink(join(root, needed), join(folder, needed))
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['docs/*.ts'] }))
  await mkdir(join(folder, 'docs'))
  await writeFile(join(folder, 'docs/page.ts'), `${(await blocks('ts')).join('\n')}\nexport {}\n`)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('documented: the page on the runtime runs and prints what it says', async () => {
  const [expected] = await blocks('text')
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', join(folder, 'docs/page.ts')])
  expect(stdout).toBe(expected)
})

test('documented: the page on the runtime is well typed', async () => {
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), ['--noEmit', '-p', folder]).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})
