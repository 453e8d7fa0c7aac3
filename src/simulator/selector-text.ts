import { meets } from '../events/selector.ts'
import { badRequest } from './failure.ts'
import type { ApiObject, Kinds, ResourceName } from './objects.ts'

type Requirement = { readonly key: string; readonly operator: string; readonly values: readonly string[] }
export type Filter = (object: ApiObject) => boolean

const SET = /^(!?[\w./-]+)\s+(in|notin)\s+\(([^()]*)\)$/
const COMPARED = /^([\w./-]+)\s*(==|=|!=|>|<)\s*([\w.-]*)$/
const EXISTS = /^(!?)\s*([\w./-]+)$/
const OPERATORS: Readonly<Record<string, string>> = {
  in: 'In',
  notin: 'NotIn',
  '=': 'In',
  '==': 'In',
  '!=': 'NotIn',
  '>': 'Gt',
  '<': 'Lt',
}

const requirement = (text: string): Requirement => {
  const [, setKey, word = '', list = ''] = SET.exec(text) ?? []
  if (setKey !== undefined)
    return { key: setKey, operator: OPERATORS[word] ?? word, values: list.split(',').map((value) => value.trim()) }
  const [, key, sign = '', value = ''] = COMPARED.exec(text) ?? []
  if (key !== undefined) return { key, operator: OPERATORS[sign] ?? sign, values: [value] }
  const [, not, name] = EXISTS.exec(text) ?? []
  if (name !== undefined) return { key: name, operator: not === '!' ? 'DoesNotExist' : 'Exists', values: [] }
  throw badRequest(`unable to parse requirement: "${text}" is no label selector (as in app=web, tier in (a,b), !old)`)
}

/** A label selector as it stands in a URL. @throws ApiFailure 400 */
export const labelFilter = (text: string): Filter => {
  const parts = text.split(/,(?![^()]*\))/).map((part) => part.trim())
  const requirements = parts.filter((part) => part !== '').map(requirement)
  return ({ metadata }) => requirements.every((each) => meets(metadata.labels ?? {}, each))
}

const common: Readonly<Record<string, (object: ApiObject) => string>> = {
  'metadata.name': ({ metadata }) => metadata.name,
  'metadata.namespace': ({ metadata }) => metadata.namespace ?? '',
}
const special: { readonly [Resource in ResourceName]?: Readonly<Record<string, (object: Kinds[Resource]) => string>> } = {
  pods: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'status.phase': ({ status }) => status.phase ?? '',
  },
  nodes: { 'spec.unschedulable': ({ spec }) => String(spec.unschedulable === true) },
  events: { reportingController: ({ reportingController }) => reportingController },
}

/** A field selector as it stands in a URL: the fields the real server has an index of. @throws ApiFailure 400 */
export const fieldFilter = (resource: ResourceName, text: string): Filter => {
  const fields = { ...common, ...special[resource] } as Readonly<Record<string, (object: ApiObject) => string>>
  const checks = text
    .split(',')
    .filter((part) => part !== '')
    .map((part): Filter => {
      const [, name = '', sign = '', value = ''] = /^([\w.]+)\s*(==|=|!=)\s*(.*)$/.exec(part) ?? []
      const field = fields[name]
      if (!field) throw badRequest(`field label not supported: ${name || part}`)
      return (object) => (field(object) === value) === (sign !== '!=')
    })
  return (object) => checks.every((check) => check(object))
}
