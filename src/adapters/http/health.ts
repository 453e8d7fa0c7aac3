import type { Page } from './listener.ts'

/** One question, and what is wrong; undefined: nothing. `note` is said of what is well but worth a word. */
export type Check = { readonly name: string; readonly trouble?: string | undefined; readonly note?: string | undefined }

/** A line for each check, in the form of Kubernetes' own `/readyz?verbose`: `[+]name ok`, `[-]name failed: why`. */
export const healthPage = (name: string, checks: readonly Check[]): Page => {
  const failed = checks.some(({ trouble }) => trouble !== undefined)
  const lines = checks.map(({ name: check, trouble, note }) =>
    trouble === undefined ? `[+]${check} ok${note === undefined ? '' : `: ${note}`}` : `[-]${check} failed: ${trouble}`,
  )
  return {
    status: failed ? 503 : 200,
    contentType: 'text/plain; charset=utf-8',
    body: `${[...lines.map(printable), `${name} check ${failed ? 'failed' : 'passed'}`].join('\n')}\n`,
  }
}

/** Reasons hold words of the cluster: one line each, and no control characters for the terminal that shows them. */
const printable = (line: string): string => line.replace(/\p{Cc}+/gu, ' ')
