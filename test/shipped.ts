import { definitions, type Ports } from '../src/commands/up/definitions.ts'
import { ChartPolicy } from '../src/events/charts.ts'
import type { Definition } from '../src/runtime/types.ts'

/** No effect is run by whoever only decides, so that no port is touched. */
const all = definitions({ charts: { policy: ChartPolicy.parse({}) } } as Ports)

/** The definition of one of the actor types that we ship. */
export const shipped = (type: string): Definition => {
  const found = all.find((definition) => definition.type === type)
  if (!found) throw new Error(`no actor type "${type}" is shipped; there are ${all.map((each) => each.type).join(', ')}`)
  return found
}
export const everyShipped: readonly Definition[] = all
