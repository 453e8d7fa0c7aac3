import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Unavailable } from '../../ports.ts'

/** An answer is longer than we take; a smaller page of the same list may not be. */
export class TooLarge extends Unavailable {
  override name = 'TooLarge'
}

/** Before it was compressed and after. A page of 500 pods is some 5 MB; of the largest objects that etcd keeps 40 fit. */
const ANSWER_BYTES = 64 * 2 ** 20
/** What an answer says of its own size is believed within these. */
const LEAST_CHUNK_BYTES = 16 * 2 ** 10
const MOST_CHUNK_BYTES = 16 * 2 ** 20
const unzip = promisify(gunzip)

/**
 * The text of an answer as bytes, uncompressed.
 * @param what was asked, for messages: `GET /api/v1/pods`
 * @throws TooLarge above 64 MiB; Unavailable for bytes that are no UTF-8, since a name with one byte changed is another
 */
export const textIn = async (what: string, body: AsyncIterable<Uint8Array>, isZipped: boolean): Promise<Buffer> => {
  const sent = await bytesIn(what, body)
  const bytes = isZipped ? await uncompressed(what, sent) : sent
  if (!isUtf8(bytes)) throw new Unavailable(`${what}: the answer is not UTF-8`)
  return bytes
}

const bytesIn = async (what: string, body: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > ANSWER_BYTES) throw tooLarge(what) // which also ends the body
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}

/** In one piece, as large as the end of the compressed form says: in many small ones it takes twice the time and memory. */
const uncompressed = async (what: string, sent: Buffer): Promise<Buffer> => {
  const said = sent.length >= 4 ? sent.readUInt32LE(sent.length - 4) : 0
  const chunkSize = Math.min(Math.max(said, LEAST_CHUNK_BYTES), MOST_CHUNK_BYTES)
  try {
    return await unzip(sent, { maxOutputLength: ANSWER_BYTES, chunkSize })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(what)
    throw error
  }
}

const tooLarge = (what: string): TooLarge => new TooLarge(`${what}: an answer of more than ${ANSWER_BYTES / 2 ** 20} MiB`)
