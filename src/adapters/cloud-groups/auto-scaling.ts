import type { AutoScaling, AutoScalingClientConfig } from '@aws-sdk/client-auto-scaling'
import { z } from 'zod'
import { Gone, type NodeOwner, Refused, type Remover, Unavailable } from '../../ports.ts'
import { askAgain } from '../../runtime/licence.ts'
import { type Nodes, nodeMeant, untilProven } from './machines.ts'
import { told } from './rest.ts'

type Owner = Extract<NodeOwner, { readonly by: 'aws-auto-scaling' }>
/** A connection that is made when it is first used: until then nothing is loaded, and no credentials are looked for. */
export type ConnectAutoScaling = () => Promise<AutoScaling>

const PROVIDER_ID = /^aws:\/\/\/([a-z0-9-]+)\/(i-[0-9a-f]{8,32})$/
const TIMEOUT_MS = 9_000
/** A group's activities are told newest first; an instance's end is among the newest. */
const MOST_PAGES = 10

const Instances = z.object({
  AutoScalingInstances: z.array(
    z.object({
      InstanceId: z.string(),
      AutoScalingGroupName: z.string(),
      LifecycleState: z.string(),
      ProtectedFromScaleIn: z.boolean(),
      WeightedCapacity: z.coerce.number().int().positive().default(1),
    }),
  ),
})
type Instance = z.infer<typeof Instances>['AutoScalingInstances'][number]
const Groups = z.object({
  AutoScalingGroups: z.array(
    z.object({
      MinSize: z.number().int(),
      DesiredCapacity: z.number().int(),
      SuspendedProcesses: z.array(z.object({ ProcessName: z.string() })).default([]),
    }),
  ),
})
const Activities = z.object({
  Activities: z.array(z.object({ ActivityId: z.string(), Description: z.string().default(''), StatusCode: z.string() })),
  NextToken: z.string().optional(),
})
type Activity = z.infer<typeof Activities>['Activities'][number]

/**
 * By the official client and its default chain of credentials (environment, web identity, EKS Pod Identity, the instance).
 * It retries nothing: the effects do, and know when they may not any more.
 */
export const connectAutoScaling = (config: AutoScalingClientConfig): ConnectAutoScaling => {
  let connection: Promise<AutoScaling> | undefined
  const connect = async (): Promise<AutoScaling> => {
    const sdk = await import('@aws-sdk/client-auto-scaling')
    const client = new sdk.AutoScaling({ maxAttempts: 1, ...config })
    // Signed and about to be sent: finding credentials may have lasted longer than a licence.
    client.middlewareStack.add(
      (next) => async (args) => {
        askAgain()
        return next(args)
      },
      { step: 'deserialize', priority: 'low', name: 'askAgain' },
    )
    return client
  }
  return () => (connection ??= connect())
}

/**
 * AWS Auto Scaling groups, EKS' managed node groups among them: the instance is terminated and the desired capacity
 * lowered in one request. The instance's own end among the group's activities is the proof.
 */
export const autoScaling = (region: string, connect: ConnectAutoScaling, nodes: Nodes): Remover => {
  const api = apiOf(connect)
  return {
    by: 'aws-auto-scaling',
    claim: async (ref, signal) => {
      const { spec } = await nodeMeant(nodes, ref, signal)
      const [, zone = '', instance] = PROVIDER_ID.exec(spec.providerID ?? '') ?? []
      if (instance === undefined || !zone.startsWith(region)) return undefined
      const found = await api.instance(instance, signal)
      if (!found) return undefined
      if (!isGoing(found)) await refuse(api, found, signal)
      return { by: 'aws-auto-scaling', region, group: found.AutoScalingGroupName, instance }
    },
    shrink: async ({ owner }, signal) => shrink(api, ownerIn(owner), signal),
    awaitRemoved: ({ owner }, signal) => untilProven(() => proofOf(api, ownerIn(owner), signal), nodes, signal),
  }
}

/** @throws Error when the request is another remover's */
const ownerIn = (owner: NodeOwner): Owner => {
  if (owner.by !== 'aws-auto-scaling') throw new Error(`aws-auto-scaling: the owner is ${owner.by}`)
  return owner
}

type Api = ReturnType<typeof apiOf>
type Sent = (client: AutoScaling, options: { readonly abortSignal: AbortSignal }) => Promise<unknown>

const apiOf = (connect: ConnectAutoScaling) => {
  const ask = async <A>(answer: z.ZodType<A>, signal: AbortSignal | undefined, send: Sent): Promise<A> => {
    const limit = AbortSignal.timeout(TIMEOUT_MS)
    const abortSignal = signal ? AbortSignal.any([signal, limit]) : limit
    const client = await connect()
    if (signal?.aborted) throw signal.reason
    const said = await send(client, { abortSignal }).catch((error: unknown) => {
      if (signal?.aborted) throw signal.reason
      throw translated(error)
    })
    const result = answer.safeParse(said)
    if (result.success) return result.data
    throw new Unavailable(`AWS Auto Scaling: the answer makes no sense: ${told(result.error.message)}`)
  }
  return {
    instance: async (id: string, signal?: AbortSignal): Promise<Instance | undefined> => {
      const { AutoScalingInstances } = await ask(Instances, signal, (client, options) =>
        client.describeAutoScalingInstances({ InstanceIds: [id] }, options),
      )
      return AutoScalingInstances.find(({ InstanceId }) => InstanceId === id)
    },
    group: async (name: string, signal?: AbortSignal) => {
      const { AutoScalingGroups } = await ask(Groups, signal, (client, options) =>
        client.describeAutoScalingGroups({ AutoScalingGroupNames: [name] }, options),
      )
      return AutoScalingGroups[0]
    },
    activities: (group: string, page: string | undefined, signal?: AbortSignal) =>
      ask(Activities, signal, (client, options) =>
        client.describeScalingActivities(
          { AutoScalingGroupName: group, IncludeDeletedGroups: true, MaxRecords: 100, NextToken: page },
          options,
        ),
      ),
    terminate: (id: string, signal?: AbortSignal) =>
      ask(z.unknown(), signal, (client, options) =>
        client.terminateInstanceInAutoScalingGroup({ InstanceId: id, ShouldDecrementDesiredCapacity: true }, options),
      ),
  }
}

const PASSING = ['ScalingActivityInProgress', 'ResourceContention', 'Throttling', 'ThrottlingException', 'RequestLimitExceeded']

/** The client's errors carry the code in their name and what is missing in their message. */
const translated = (error: unknown): Error => {
  if ((error as Error).name === 'Held') return error as Error
  const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } }
  const status = $metadata?.httpStatusCode ?? 0
  const said = `AWS Auto Scaling answers ${name}: ${told(message)}`
  if (status < 400) return new Unavailable(`AWS Auto Scaling gives no answer: ${told(message)}`, { cause: error })
  const code = name.replace(/Fault$/, '')
  if (PASSING.includes(code) || status >= 500 || status === 429) return new Unavailable(said, { cause: error, code: status })
  if (code === 'ValidationError' && /no managed instance|not found/i.test(message)) return new Gone(said, { cause: error })
  return new Refused(said, { cause: error })
}

const isGoing = ({ LifecycleState }: Instance): boolean => LifecycleState.startsWith('Terminat')

/** What speaks against making the group smaller by this instance. @throws Refused, Gone */
const refuse = async (api: Api, instance: Instance, signal?: AbortSignal): Promise<void> => {
  const { InstanceId: id, AutoScalingGroupName: name, WeightedCapacity: weight } = instance
  if (instance.LifecycleState !== 'InService')
    throw new Refused(`instance ${id} of Auto Scaling group ${name} is ${instance.LifecycleState}, not InService`)
  if (instance.ProtectedFromScaleIn)
    throw new Refused(`instance ${id} of Auto Scaling group ${name} is protected from scale-in: take the protection away first`)
  const group = await api.group(name, signal)
  if (!group) throw new Gone(`Auto Scaling group ${name} is no more`)
  if (group.SuspendedProcesses.some(({ ProcessName }) => ProcessName === 'Terminate'))
    throw new Refused(`the process Terminate of Auto Scaling group ${name} is suspended: resume it first`)
  if (group.DesiredCapacity - weight < group.MinSize)
    throw new Refused(
      `Auto Scaling group ${name} has the desired capacity ${group.DesiredCapacity} and may not have less than ${group.MinSize}`,
    )
}

/** The activity that ends the instance, whoever asked for it; undefined: there is none among the newest. */
const endOf = async (api: Api, { group, instance }: Owner, signal?: AbortSignal): Promise<Activity | undefined> => {
  const isEnd = ({ Description }: Activity): boolean => Description.startsWith(`Terminating EC2 instance: ${instance}`)
  let page: string | undefined
  for (let read = 0; read < MOST_PAGES; read++) {
    const { Activities: told, NextToken } = await api.activities(group, page, signal)
    const found = told.find(isEnd)
    if (found || NextToken === undefined) return found
    page = NextToken
  }
  return undefined
}
const FAILED = ['Failed', 'Cancelled']

// The desired capacity is lowered with each request: it is sent only for an instance that neither its lifecycle nor an
// activity says to be ending, since either of them may be told a moment late.
const shrink = async (api: Api, owner: Owner, signal?: AbortSignal): Promise<void> => {
  const found = await api.instance(owner.instance, signal)
  if (found?.AutoScalingGroupName !== owner.group)
    throw new Gone(`instance ${owner.instance} is not in Auto Scaling group ${owner.group} any more`)
  if (isGoing(found)) return
  const end = await endOf(api, owner, signal)
  if (end && !FAILED.includes(end.StatusCode)) return
  await refuse(api, found, signal)
  await api.terminate(owner.instance, signal)
}

// Who was detached has left the group too, and runs on: only the end of the activity tells.
const proofOf = async (api: Api, owner: Owner, signal: AbortSignal): Promise<string | undefined> => {
  const found = await api.instance(owner.instance, signal)
  if (found && found.LifecycleState !== 'Terminated') return undefined
  const end = await endOf(api, owner, signal)
  return end?.StatusCode === 'Successful' ? `AWS Auto Scaling, by the end of activity ${told(end.ActivityId)}` : undefined
}
