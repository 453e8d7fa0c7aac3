import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'
import { type Rule, undecided } from './rule.ts'

const NAME = 'DynamicResources'

/** An extended resource that a DeviceClass can serve in place of a device plugin. */
const servedByClass = ({ columns, deviceClasses }: Model, { demand }: Shape): string | undefined => {
  const served = new Set<string>()
  for (const { metadata, spec } of deviceClasses.values()) {
    served.add(`deviceclass.resource.kubernetes.io/${metadata.name}`)
    if (spec.extendedResourceName !== undefined) served.add(spec.extendedResourceName)
  }
  return demand.map(([resource]) => columns.names[resource] ?? '').find((name) => served.has(name))
}

/**
 * Claims of devices are allocated by CEL over ResourceSlices, which the model does not hold: refused.
 * Source: `plugins/dynamicresources`.
 */
export const dynamicResources: Rule = {
  name: NAME,
  everywhere: (model, shape) => {
    if (shape.spec.resourceClaims?.length) return undecided(NAME, 'claims dynamic resources, which are not simulated')
    if (model.deviceClasses.size === 0) return undefined
    const resource = servedByClass(model, shape)
    return resource === undefined
      ? undefined
      : undecided(NAME, `asks for ${resource}, which a DeviceClass serves; that is not simulated`)
  },
}
