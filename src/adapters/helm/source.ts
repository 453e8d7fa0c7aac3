import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { Refused } from '../../ports.ts'

const MOST_FILES = 2_000
const MOST_BYTES = 20 * 2 ** 20

/**
 * A file or directory of the folder of charts.
 * @throws Refused when it is not there, or a link leads out of the folder
 */
export const insideOf = async (folder: string | undefined, path: string): Promise<string> => {
  if (folder === undefined) throw new Refused(`${path}: the policy for charts names no "folder"`)
  const [root, found] = await Promise.all([real(folder), real(join(folder, path))])
  if (root === undefined) throw new Refused(`the folder of charts ${folder} is not there`)
  if (found === undefined) throw new Refused(`${path} is not in the folder of charts`)
  if (!found.startsWith(root + sep)) throw new Refused(`${path} leads out of the folder of charts`)
  return found
}

const real = (path: string): Promise<string | undefined> => realpath(path).catch(() => undefined)

/** SHA-256 over a file, or over the names and contents of a directory. @throws Refused for links, and for what is too large */
export const digestOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  let [files, bytes] = [0, 0]
  const add = async (at: string, name: string): Promise<void> => {
    const { isFile, isDirectory, size } = await kindOf(at)
    if (isDirectory) for (const each of (await readdir(at)).toSorted()) await add(join(at, each), `${name}/${each}`)
    else if (isFile) {
      files += 1
      bytes += size
      if (files > MOST_FILES || bytes > MOST_BYTES) throw new Refused(`the chart has more than ${MOST_FILES} files or 20 MiB`)
      hash.update(`${name}\0${size}\0`).update(await readFile(at))
    } else throw new Refused(`${name} in the chart is neither a file nor a directory`)
  }
  await add(path, '')
  return hash.digest('hex')
}

const kindOf = async (
  path: string,
): Promise<{ readonly isFile: boolean; readonly isDirectory: boolean; readonly size: number }> => {
  const found = await lstat(path)
  return { isFile: found.isFile(), isDirectory: found.isDirectory(), size: found.size }
}
