import type { Owner, PodObject, PodTemplate } from '../objects.ts'
import { suffixOf } from '../random.ts'
import type { Draft, Store } from '../store.ts'

type Names = Pick<Store, 'get' | 'seed' | 'resourceVersion'>

/** A name that no pod of the namespace has; the same for the same world at the same version. */
const freeName = (store: Names, namespace: string, base: string): string => {
  for (let attempt = 0; ; attempt += 1) {
    const name = `${base}-${suffixOf(`${store.seed}/${store.resourceVersion()}/${base}/${attempt}`, 5)}`
    if (!store.get('pods', namespace, name)) return name
  }
}

/** A pod made from a template, not yet placed. */
export const newPod = (store: Names, namespace: string, base: string, template: PodTemplate, owner: Owner): Draft<'pods'> => ({
  metadata: {
    name: freeName(store, namespace, base),
    generateName: `${base}-`,
    namespace,
    ...(template.metadata?.labels ? { labels: template.metadata.labels } : {}),
    ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
    ...(template.metadata?.finalizers ? { finalizers: template.metadata.finalizers } : {}),
    ownerReferences: [owner],
  },
  spec: withDefaults(template.spec),
  status: { phase: 'Pending' },
})

/** The fields of a pod's spec that the API server fills in. */
export const withDefaults = (spec: PodObject['spec']): PodObject['spec'] => ({
  ...spec,
  ...{ restartPolicy: 'Always', schedulerName: 'default-scheduler', ...spec },
  terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
})
