import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where installed programs are kept: XDG_CACHE_HOME, or the platform's cache folder. */
export const binaryCache = (env: NodeJS.ProcessEnv = process.env): string => {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'quartermaster', 'bin')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'quartermaster', 'bin')
  if (process.platform === 'win32') return join(env.LOCALAPPDATA ?? homedir(), 'quartermaster', 'cache', 'bin')
  return join(homedir(), '.cache', 'quartermaster', 'bin')
}
