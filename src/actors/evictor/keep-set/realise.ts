import { attempts, begin, type Draft, draftOf, type Task } from '../emptying.ts'
import type { NodeEntry, PodEntry } from '../model.ts'
import { bestFit, refusedBy } from '../placing.ts'
import type { Cover } from './cover.ts'
import type { Outline } from './outline.ts'

type Wish = { readonly node: NodeEntry; left: number }

/** Where the cover wants pods of each kind. */
const wishesOf = ({ kinds, hosts }: Outline, { kept, taken }: Cover): readonly Wish[][] => {
  const wishes = kinds.map((): Wish[] => [])
  for (const [host, { node }] of hosts.entries()) {
    if (kept[host] !== 1) continue
    for (let kind = 0; kind < kinds.length; kind += 1) {
      const left = taken[host * kinds.length + kind] ?? 0
      if (left > 0) wishes[kind]?.push({ node, left })
    }
  }
  return wishes
}

/** The cover's choice among pods of the kind, as far as all rules let it; else the best fit among the hosts it keeps. */
const placeBy = ({ model }: Task, outline: Outline, cover: Cover) => {
  const wishes = wishesOf(outline, cover)
  const stay = outline.hosts.flatMap(({ node }, host) => (cover.kept[host] === 1 ? [node] : []))
  return (pod: PodEntry): NodeEntry | undefined => {
    const mine = wishes[outline.kindOf.get(pod.shape) ?? -1] ?? []
    const wish = mine.find(({ node, left }) => left > 0 && !refusedBy(model, pod, node))
    if (!wish) return bestFit(model, pod, stay)
    wish.left -= 1
    return wish.node
  }
}

/**
 * The cover with real pods on the real model: where a rule that the cover does not know forbids it, a node stays after all.
 * Then, if it is to be thorough, whatever else can be emptied, what saves most for an eviction first. The model is left as
 * it was.
 */
export const realised = (task: Task, outline: Outline, cover: Cover, isThorough = true): Draft => {
  const mark = task.model.mark()
  const state = begin()
  const place = placeBy(task, outline, cover)
  for (const pod of task.headroom.room) task.model.move(pod, place(pod))
  const byChoice = attempts(task, state, 'stay', place)
  const order = outline.hosts.map((host, index) => ({ ...host, isKept: cover.kept[index] === 1 }))
  const saving = ({ price, pods }: (typeof order)[number]): number => price / (1 + pods)
  const chosen = order.filter(({ isKept, isFixed }) => !isKept && !isFixed).sort((a, b) => saving(b) - saving(a))
  for (const { node } of chosen) byChoice(node)
  const rest = order.filter(({ node, isFixed }) => !isFixed && !state.gone.has(node)).sort((a, b) => saving(b) - saving(a))
  const byRoom = attempts(task, state, 'stay')
  if (isThorough) for (const { node } of rest) byRoom(node)
  const draft = draftOf(task, state)
  task.model.rollback(mark)
  return { ...draft, guests: 'stay' }
}
