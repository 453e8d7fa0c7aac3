import { autoScaling, connectAutoScaling } from '../../../src/adapters/cloud-groups/auto-scaling.ts'
import { scriptedApi } from '../kubernetes/scripted-api.ts'
import { type Cloud, faultOf, nodeOf, type World } from './world.ts'

const INSTANCE = 'i-0123456789abcdef0'
const GROUP = 'eks-workers-1'

/** What of an instance and its group only AWS has. */
export type Aws = {
  readonly lifecycle?: string
  readonly protectedFromScaleIn?: boolean
  readonly suspended?: readonly string[]
  readonly weight?: number
  /** What of an end that was asked for AWS does not tell yet. */
  readonly late?: 'lifecycle' | 'activity'
  /** It has left the group, and runs on. */
  readonly isDetached?: boolean
}

const answer = (action: string, inner: string): string =>
  `<${action}Response xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><${action}Result>${inner}</${action}Result>` +
  `<ResponseMetadata><RequestId>7c6e177f-f082-11e1-ac58-3714bEXAMPLE</RequestId></ResponseMetadata></${action}Response>`
const error = (code: string, message: string): string =>
  `<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><Error><Type>Sender</Type><Code>${code}</Code>` +
  `<Message>${message}</Message></Error><RequestId>7c6e177f-f082-11e1-ac58-3714bEXAMPLE</RequestId></ErrorResponse>`
const tags = (of: Record<string, unknown>): string =>
  Object.entries(of)
    .map(([name, value]) => `<${name}>${String(value)}</${name}>`)
    .join('')

const instancesOf = ({ machine }: World, aws: Aws): string => {
  if (machine === 'gone' || aws.isDetached) return '<AutoScalingInstances/>'
  const member = tags({
    InstanceId: INSTANCE,
    AutoScalingGroupName: GROUP,
    AvailabilityZone: 'eu-central-1a',
    LifecycleState: machine === 'going' && aws.late !== 'lifecycle' ? 'Terminating:Wait' : (aws.lifecycle ?? 'InService'),
    HealthStatus: 'HEALTHY',
    ProtectedFromScaleIn: aws.protectedFromScaleIn ?? false,
    ...(aws.weight !== undefined && { WeightedCapacity: aws.weight }),
  })
  return `<AutoScalingInstances><member>${member}</member></AutoScalingInstances>`
}
const groupOf = ({ size, least }: World, { suspended = [] }: Aws): string => {
  const processes = suspended.map((name) => `<member>${tags({ ProcessName: name })}</member>`).join('')
  const member = tags({
    AutoScalingGroupName: GROUP,
    MinSize: least,
    MaxSize: 10,
    DesiredCapacity: size,
    SuspendedProcesses: processes,
  })
  return `<AutoScalingGroups><member>${member}</member></AutoScalingGroups>`
}
const activitiesOf = ({ machine }: World, { isDetached = false, late }: Aws): string => {
  const launch = { ActivityId: 'act-1', AutoScalingGroupName: GROUP, Description: `Launching a new EC2 instance: ${INSTANCE}` }
  const end = { ActivityId: 'act-2', AutoScalingGroupName: GROUP, Description: `Terminating EC2 instance: ${INSTANCE}` }
  const common = { Cause: 'At … a user request', StartTime: '2026-11-30T12:00:00Z', Progress: 50 }
  const told = [
    ...(machine !== 'running' && !isDetached && late !== 'activity'
      ? [{ ...end, ...common, StatusCode: machine === 'gone' ? 'Successful' : 'InProgress' }]
      : []),
    { ...launch, ...common, StatusCode: 'Successful' },
  ]
  return `<Activities>${told.map((one) => `<member>${tags(one)}</member>`).join('')}</Activities>`
}

/** The worst that AWS could do: each request lowers the desired capacity, also for an instance that is ending. */
const terminate = (its: World, weight = 1): string => {
  its.changes++
  its.size -= weight
  its.machine = 'going'
  return `<Activity>${tags({ ActivityId: 'act-2', AutoScalingGroupName: GROUP, StatusCode: 'InProgress', Cause: 'x', StartTime: '2026-11-30T12:00:00Z' })}</Activity>`
}

export const openAws = async (its: World, aws: Aws = {}, providerID = `aws:///eu-central-1a/${INSTANCE}`) => {
  const asked: string[] = []
  const api = await scriptedApi((request, response) => {
    const action = new URLSearchParams(request.body).get('Action') ?? ''
    asked.push(action)
    const isChange = action === 'TerminateInstanceInAutoScalingGroup'
    const say = (code: number, text: string): void => {
      response.writeHead(code, { 'content-type': 'text/xml' })
      response.end(text)
    }
    const fault = faultOf(its, isChange)
    if (fault === 'throttled') return say(400, error('Throttling', 'Rate exceeded'))
    if (fault === 'forbidden')
      return say(
        403,
        error('AccessDenied', `User: arn:aws:sts::1:assumed-role/r is not authorized to perform: autoscaling:${action}`),
      )
    if (fault === 'malformed') return say(200, '<html><body>a proxy</body></html>')
    const answers: Record<string, () => string> = {
      DescribeAutoScalingInstances: () => instancesOf(its, aws),
      DescribeAutoScalingGroups: () => groupOf(its, aws),
      DescribeScalingActivities: () => activitiesOf(its, aws),
      TerminateInstanceInAutoScalingGroup: () => terminate(its, aws.weight),
    }
    const text = answer(action, answers[action]?.() ?? '')
    if (fault === 'lost') return void response.destroy()
    return say(200, text)
  })
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
  const connect = connectAutoScaling({ region: 'eu-central-1', endpoint: api.server, credentials })
  return {
    remover: autoScaling('eu-central-1', connect, nodeOf(providerID)),
    owner: { by: 'aws-auto-scaling', region: 'eu-central-1', group: GROUP, instance: INSTANCE } as const,
    asked,
    [Symbol.asyncDispose]: async () => {
      ;(await connect()).destroy()
      await api[Symbol.asyncDispose]()
    },
  }
}

export const aws: Cloud = {
  name: 'aws-auto-scaling',
  group: /Auto Scaling group eks-workers-1/,
  proof: /^AWS Auto Scaling, by the end of activity act-2$/,
  permission: /autoscaling:TerminateInstanceInAutoScalingGroup/,
  open: (its) => openAws(its),
}
