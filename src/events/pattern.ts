import { z } from 'zod'

/** A name in which `*` stands for any characters. */
export const Pattern = z.string().min(1).max(500)

/** Whether the text has the form of the pattern. In linear time, whatever the text is. */
export const hasForm = (pattern: string, text: string): boolean => {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
  const end = text.length - last.length
  let from = first.length
  for (const part of rest) {
    const found = text.indexOf(part, from)
    if (found < 0 || found + part.length > end) return false
    from = found + part.length
  }
  return true
}
