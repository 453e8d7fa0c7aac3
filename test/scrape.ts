type Sample = { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number }
export type Family = { readonly name: string; readonly help: string; readonly type: string; readonly samples: Sample[] }

const SAMPLE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>[^ ]+)$/
const LABEL = /^(?<name>[a-zA-Z_]\w*)="(?<value>(?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/

const labelsIn = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {}
  for (let rest = text; rest !== ''; ) {
    const found = LABEL.exec(rest)
    if (!found?.groups) throw new Error(`no label: ${rest}`)
    labels[found.groups['name'] ?? ''] = (found.groups['value'] ?? '').replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
    rest = rest.slice(found[0].length)
  }
  return labels
}
const valueIn = (text: string): number => {
  const value = { '+Inf': Number.POSITIVE_INFINITY, '-Inf': Number.NEGATIVE_INFINITY, NaN: Number.NaN }[text] ?? Number(text)
  if (Number.isNaN(value) && text !== 'NaN') throw new Error(`no value: ${text}`)
  return value
}

/** Reads Prometheus' text format 0.0.4 and refuses what is none: every sample belongs to the family described before it. */
export const families = (text: string): ReadonlyMap<string, Family> => {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const found = new Map<string, Family>()
  let help = ['', '']
  let current: Family | undefined
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (keyword === 'HELP') help = [name, rest]
    else if (keyword === 'TYPE') {
      if (found.has(name)) throw new Error(`${name} is described twice`)
      current = { name, help: help[0] === name ? (help[1] ?? '') : '', type: rest, samples: [] }
      found.set(name, current)
    } else {
      const { groups } = SAMPLE.exec(line) ?? {}
      if (!groups) throw new Error(`no sample: ${line}`)
      const sample = {
        name: groups['name'] ?? '',
        labels: labelsIn(groups['labels'] ?? ''),
        value: valueIn(groups['value'] ?? ''),
      }
      const family = sample.name.replace(/_(bucket|sum|count)$/, '')
      if (current?.name !== sample.name && !(current?.type === 'histogram' && current.name === family))
        throw new Error(`${sample.name} is not described`)
      current.samples.push(sample)
    }
  }
  return found
}

/** The value of the one series with these labels; undefined: there is none. */
export const sampled = (
  scraped: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined => {
  const samples = [...scraped.values()].flatMap((family) => family.samples)
  const same = samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )
  if (same.length > 1) throw new Error(`${name} has ${same.length} series like this`)
  return same[0]?.value
}
