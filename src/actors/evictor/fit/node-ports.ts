import type { HostPort } from '../model/shape.ts'
import { type Rule, refusal } from './rule.ts'

const NAME = 'NodePorts'
const REFUSED = refusal(NAME, "node(s) didn't have free ports for the requested pod ports")

const clash = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0')

/** Source: `plugins/nodeports`, `framework.HostPortInfo.CheckConflict`. */
export const nodePorts: Rule = {
  name: NAME,
  onNode: (_, { ports }) => {
    if (ports.length === 0) return undefined
    return ({ pods }) => {
      for (const { shape } of pods)
        if (shape.ports.length > 0 && shape.ports.some((taken) => ports.some((port) => clash(port, taken)))) return REFUSED
      return undefined
    }
  },
}
