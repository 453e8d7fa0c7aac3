import { Unavailable } from '../../ports.ts'

const NEWLINE = 10
/** etcd keeps no object above 1.5 MB: a longer line is no watch event. */
const LINE_BYTES = 16 * 2 ** 20

/**
 * The complete lines of each chunk, as one array: bytes are split and not text, so that a character cut by a chunk's
 * border stays whole, and each byte is copied once. A line without an end is dropped with the connection that cut it.
 * @throws Unavailable for a line above 16 MiB
 */
export const lines = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Buffer[]> {
  let started: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    const complete: Buffer[] = []
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      complete.push(lineOf(started, chunk.subarray(from, end)))
      started = []
      bytes = 0
      from = end + 1
    }
    const rest = chunk.subarray(from)
    bytes += rest.length
    if (bytes > LINE_BYTES) throw new Unavailable(`a line of more than ${LINE_BYTES} bytes in a watch: is this a Kubernetes API?`)
    if (rest.length > 0) started.push(rest)
    if (complete.length > 0) yield complete
  }
}

const lineOf = (started: readonly Uint8Array[], end: Uint8Array): Buffer =>
  started.length === 0 ? Buffer.from(end.buffer, end.byteOffset, end.length) : Buffer.concat([...started, end])
