import { z } from 'zod'
import { capacityTypeOf } from './capacity-type.ts'
import { Taint } from './kubernetes.ts'

const quantities = z.record(z.string(), z.union([z.string(), z.number()]))

/** A kind of machine that can be had, and what its node will be like. */
const MachineType = z
  .strictObject({
    instanceType: z.string().min(1).describe('The label node.kubernetes.io/instance-type.'),
    hourly: z.number().min(0).describe('$/h of one, as it is paid.'),
    capacityType: z.enum(['on-demand', 'spot']).default('on-demand'),
    allocatable: quantities.optional().describe('What a node of it has for pods, as its status says.'),
    capacity: quantities.optional().describe('What the machine has; what the system keeps of it is taken off.'),
    labels: z
      .record(z.string(), z.string())
      .default({})
      .describe('What its nodes are labelled with, beside type, zone and host.'),
    taints: z.array(Taint).default([]),
    zones: z.array(z.string().min(1)).default([]).describe('Where it can be had; none: in one place without a zone.'),
    limit: z.int().min(0).optional().describe('So many can be had at most, in each zone.'),
  })
  .refine(({ allocatable, capacity }) => (allocatable === undefined) !== (capacity === undefined), {
    error: 'it needs allocatable or capacity, one of them',
  })
  .refine(
    ({ allocatable, capacity }) => {
      const amounts = allocatable ?? capacity ?? {}
      return amounts.cpu !== undefined && amounts.memory !== undefined
    },
    { error: 'it needs cpu and memory' },
  )
  .refine(({ labels, capacityType }) => ['unknown', capacityType].includes(capacityTypeOf(labels)), {
    error: 'its labels say another capacity type',
  })
export type MachineType = z.infer<typeof MachineType>

/** Each is a question to the solver and to the search; the bound has to cover all of them. */
const MOST_KINDS = 100

/** A list of machines that can be launched: `plan --catalogue FILE`. */
export const Catalogue = z
  .strictObject({ currency: z.string().default('USD'), types: z.array(MachineType).default([]) })
  .refine(({ types }) => types.reduce((sum, { zones }) => sum + Math.max(1, zones.length), 0) <= MOST_KINDS, {
    error: `it lists more than ${MOST_KINDS} kinds of machine (types times zones): list those that you would buy`,
  })
export type Catalogue = z.infer<typeof Catalogue>
