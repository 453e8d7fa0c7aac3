import { untoken } from '../../events/subjects.ts'

/** A kind by Kubernetes' own notation: `pods`, `deployments.apps`. */
export type KindName = string

/** `obj.apps.deployments.default.web` is of `deployments.apps`. */
export const kindIn = (subject: string): KindName => {
  const [, group = '', resource = ''] = subject.split('.')
  return group === 'core' ? resource : `${resource}.${untoken(group)}`
}

/** What the agent counts together: a kind, or of one that it reads in single namespaces, `namespaces/NAMESPACE/KIND`. */
export const scopeIn = (subject: string): string => {
  const namespace = subject.split('.')[3] ?? '_'
  return namespace === '_' ? kindIn(subject) : `namespaces/${untoken(namespace)}/${kindIn(subject)}`
}
