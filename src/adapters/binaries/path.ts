import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'

export const EXE = process.platform === 'win32' ? '.exe' : ''

/** Where PATH would look. Relative folders are left out: what they hold depends on where we were started. */
export const onPath = (name: string, env: NodeJS.ProcessEnv): readonly string[] =>
  (env.PATH ?? env.Path ?? '')
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name + EXE))

export const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
