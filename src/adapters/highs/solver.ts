import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { LinearProgram, LinearRun, LinearSolver } from '../../ports.ts'

/** What the thread is given. `done` is woken when the answer is in the port: the duals, or nothing where there is no optimum. */
export type Order = { readonly program: LinearProgram; readonly port: MessagePort; readonly done: Int32Array }
type MessagePort = InstanceType<typeof MessageChannel>['port1']

const begin = (program: LinearProgram): LinearRun => {
  const { port1, port2 } = new MessageChannel()
  const done = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const order: Order = { program, port: port2, done }
  const thread = new Worker(new URL('./worker.ts', import.meta.url), { workerData: order, transferList: [port2] })
  thread.on('error', () => {}) // no answer comes then, and nobody waits longer than he likes
  thread.unref()
  port1.unref()
  let answer: Float64Array | undefined
  const stop = (): void => {
    port1.close()
    void thread.terminate()
  }
  return {
    duals(patienceMs) {
      if (answer === undefined && Atomics.wait(done, 0, 0, patienceMs) !== 'timed-out') {
        answer = (receiveMessageOnPort(port1) as { readonly message?: Float64Array } | undefined)?.message
      }
      return answer
    },
    stop,
  }
}

/** HiGHS, compiled to WebAssembly: each program in a thread of its own, so that planning goes on meanwhile. */
export const highsSolver: LinearSolver = { begin }
