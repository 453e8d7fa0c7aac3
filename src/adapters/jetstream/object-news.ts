import type { NatsConnection } from 'nats'
import { subjects } from '../../events/subjects.ts'
import type { ObjectNews } from '../../ports.ts'
import { jsonIn } from './objects-stream.ts'

/**
 * Single objects as the agent writes them to OBJECTS: a plain subscription to an object's subject, which costs nothing
 * while it does not change. What was written before is not told, and what is lost on the way neither.
 */
export const objectNews = (nc: NatsConnection, cluster: string): ObjectNews => ({
  follow: (kind, namespace, name, heard) => {
    const subscription = nc.subscribe(subjects(cluster).object(kind, namespace, name), {
      callback: (error, message) => {
        if (error) return
        if (message.data.length === 0) return heard(undefined)
        const record = jsonIn(message.data)
        if (record !== undefined) heard(record)
      },
    })
    return () => subscription.unsubscribe()
  },
})
