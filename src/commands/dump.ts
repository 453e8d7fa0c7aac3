import type { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { fromKubeconfig } from '../adapters/kubernetes/access.ts'
import { type KubernetesClient, kubernetesClient } from '../adapters/kubernetes/client.ts'
import { listed } from '../adapters/kubernetes/listing.ts'
import { redacted } from '../adapters/kubernetes/redaction.ts'
import type { Kind } from '../events/kinds.ts'
import { Gone, Refused, Unavailable } from '../ports.ts'
import { dumpedKinds, isIndispensable, weakenedWithout } from './dump/kinds.ts'
import { type RedactionReport, redactionReport } from './dump/report.ts'
import { fileSink, noSink, type Sink, streamSink } from './dump/sink.ts'
import { UserError } from './session.ts'
import { printable, table } from './table.ts'

type Options = {
  readonly kubeconfig?: string
  readonly context?: string
  readonly output?: string
  readonly redactionReport?: true
  readonly format: 'text' | 'json'
}
/** Which cluster is read, and where words and time come from: the process, outside of tests. */
export type DumpWorld = {
  readonly client: KubernetesClient
  /** The cluster as messages name it. */
  readonly cluster: string
  readonly out: Writable
  readonly err: { readonly write: (text: string) => unknown }
  readonly now: () => number
  readonly signal: AbortSignal
}

const PATIENCE_MS = 1_000

/** `dump`: one redacted snapshot of a cluster. Exit code 0: whole; 1: without some kinds, which are named; 2: it could not. */
export const dumpCommand = (program: Command): void => {
  program
    .command('dump')
    .description('write one redacted snapshot of a cluster, for "plan --snapshot"; it only reads, and never Secrets')
    .option('--kubeconfig <file>', 'how to reach the cluster (default: KUBECONFIG, or ~/.kube/config)')
    .option('--context <name>', 'which context of the kubeconfig')
    .option('--output <file>', 'write to this file, readable by you alone, instead of stdout')
    .option('--redaction-report', 'print what was kept, replaced and dropped, by kind and path, instead of the dump')
    .addOption(new Option('--format <format>', 'of the report: text or json').choices(['text', 'json']).default('text'))
    .addHelpText(
      'after',
      '\nExit codes: 0 everything was read, 1 some kinds could not be read (stderr names them), 2 there is no dump\n\nExamples:\n  $ quartermaster dump --context staging --output snapshot.json\n  $ quartermaster plan --snapshot snapshot.json\n  $ quartermaster dump --output snapshot.json --redaction-report > report.txt   # to be signed: it carries the checksum',
    )
    .action(async (options: Options) => {
      const access = await fromKubeconfig(options.kubeconfig, options.context)
      const client = kubernetesClient(access)
      const interrupted = new AbortController()
      process.once('SIGINT', () => interrupted.abort(new UserError('interrupted: there is no dump')))
      // The rest of the address may hold a token.
      const cluster = `${printable(access.context)} (${new URL(access.server).origin})`
      const world = { client, cluster, out: process.stdout, err: process.stderr, now: Date.now }
      try {
        process.exitCode = await runDump(options, { ...world, signal: interrupted.signal })
      } finally {
        await client.close()
      }
    })
}

/** Reads, redacts and writes. @returns the exit code @throws UserError when nodes or pods can't be read, or nothing written */
export const runDump = async (options: Omit<Options, 'kubeconfig' | 'context'>, world: DumpWorld): Promise<number> => {
  const sink = await sinkOf(options, world.out)
  const report = redactionReport()
  try {
    const read = await dump(sink, report, world)
    const sha256 = await sink.finish()
    conclude(read, options, world)
    if (options.redactionReport) await streamSink(world.out).write(reportText(read, report, sha256, options, world))
    return read.unread.length > 0 || read.nonsense > 0 ? 1 : 0
  } catch (error) {
    await sink.abandon()
    throw error
  }
}

const sinkOf = ({ output, redactionReport: reportAlone }: Partial<Options>, out: Writable): Promise<Sink> | Sink =>
  output !== undefined ? fileSink(output) : reportAlone ? noSink() : streamSink(out)

type Unread = { readonly kind: string; readonly reason: string; readonly weakens: string }
type Read = {
  objects: number
  kinds: number
  /** Items of lists that are no objects. */
  nonsense: number
  readonly unread: Unread[]
  readonly absent: string[]
}

const dump = async (sink: Sink, report: RedactionReport, world: DumpWorld): Promise<Read> => {
  const read: Read = { objects: 0, kinds: 0, nonsense: 0, unread: [], absent: [] }
  const say = progress(world, read)
  await sink.write('{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":""},"items":[')
  for (const kind of dumpedKinds)
    try {
      for await (const { version, items } of listed(world.client, kind, world.signal)) {
        say(kind)
        const wanted = items.filter((item) => kind.keeps?.(item) ?? true)
        const texts = wanted.flatMap((item) => textOf(kind, version, item, report) ?? [])
        read.nonsense += wanted.length - texts.length
        if (texts.length > 0) await sink.write(`${read.objects > 0 ? ',' : ''}\n${texts.join(',\n')}`)
        read.objects += texts.length
      }
      read.kinds++
    } catch (error) {
      unreadable(kind, error, read, world)
    }
  // Whoever reads the file is told what is not in it.
  await sink.write(`\n],"unread":${JSON.stringify(read.unread.map(({ kind }) => kind))}}\n`)
  return read
}

/** An object as a line of the dump; undefined if it is none. Items of a list say neither kind nor version themselves. */
const textOf = (kind: Kind, version: string, item: unknown, report: RedactionReport): string | undefined => {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return undefined
  const apiVersion = kind.group === '' ? version : `${kind.group}/${version}`
  const named = Object.assign({ apiVersion, kind: '' }, item, { apiVersion, kind: kind.kind })
  return JSON.stringify(redacted(kind, named, report.object(kind.name)))
}

const unreadable = (kind: Kind, error: unknown, read: Read, { cluster, signal }: DumpWorld): void => {
  signal.throwIfAborted()
  if (!(error instanceof Gone || error instanceof Refused || error instanceof Unavailable)) throw error
  if (isIndispensable(kind))
    throw new UserError(`there is no dump of ${cluster} without its ${kind.name}: ${error.message}`, { cause: error })
  if (error instanceof Gone) read.absent.push(kind.name)
  else read.unread.push({ kind: kind.name, reason: error.message, weakens: weakenedWithout(kind.name) })
}

const progress = ({ err, now, cluster }: DumpWorld, read: Read): ((kind: Kind) => void) => {
  let said = now()
  return ({ name }) => {
    if (now() - said < PATIENCE_MS) return
    said = now()
    err.write(`reading ${cluster}: ${read.objects.toLocaleString('en-US')} objects, now ${name} …\n`)
  }
}

const conclude = ({ objects, kinds, nonsense, unread, absent }: Read, { output }: Partial<Options>, world: DumpWorld): void => {
  const { err, cluster } = world
  const where = output === undefined ? '' : ` to ${output}`
  err.write(`dumped ${objects.toLocaleString('en-US')} objects of ${kinds} kinds from ${cluster}${where}\n`)
  if (absent.length > 0) err.write(`not served by this API, so there are none (the report names them): ${absent.length} kinds\n`)
  if (nonsense > 0) err.write(`left out, as they are no objects: ${nonsense} items of lists\n`)
  for (const { kind, reason, weakens } of unread)
    err.write(`could not read ${kind}: ${printable(reason)}\n  what is weaker without: ${weakens}\n`)
}

const reportText = (
  read: Read,
  report: RedactionReport,
  sha256: string,
  { format }: Partial<Options>,
  { cluster }: DumpWorld,
): string => {
  const { objects, unread, absent } = read
  if (format === 'json') return `${JSON.stringify({ cluster, objects, sha256, kinds: report.json(), unread, absent })}\n`
  const head = table([
    ['Cluster', cluster],
    ['Objects', String(objects)],
    ['SHA-256', sha256],
    ['Never asked for', 'Secrets, ConfigMaps'],
    ['Could not be read', unread.map(({ kind }) => kind).join(', ') || 'none'],
    ['Not served', absent.join(', ') || 'none'],
  ])
  return `${head}\n${report.text()}`
}
