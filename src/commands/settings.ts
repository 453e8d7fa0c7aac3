import type { z } from 'zod'
import { UserError } from './session.ts'
import { issueOf, parseJson, readText } from './snapshot.ts'

/**
 * What a settings file (JSON) says, checked; without a file the schema's defaults.
 * @param remedy where to look up what the file may say
 * @throws UserError naming the file, the place in it and the remedy
 */
export const settings = <Schema extends z.ZodType>(schema: Schema, file: string | undefined, remedy: string): z.infer<Schema> => {
  if (file === undefined) return schema.parse({})
  const parsed = schema.safeParse(parseJson(file, readText(file), remedy))
  if (!parsed.success) throw new UserError(`${file}: ${issueOf(parsed.error)}; ${remedy}`)
  return parsed.data
}
