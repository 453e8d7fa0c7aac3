import type { KillPoint } from '../../src/runtime/ground.ts'
import type { Surroundings } from './ports.ts'
import type { SimulatedProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Site } from './site.ts'

/** So many processes at once: while one owns the actors, the others wait for its lease. */
const PLACES = 2

/** Who is alive, and what befalls them. */
export type Chaos = {
  readonly sites: () => readonly Site[]
  /** No more misfortune: whoever is paused goes on, whoever was killed is started again. */
  readonly end: () => void
}

const points: readonly [KillPoint, ...KillPoint[]] = ['before-append', 'after-append', 'before-effect', 'after-effect']

/** @param start starts a process; `onKilled` is called if it dies at a step */
export const chaos = (
  { world, faults, wire }: Surroundings,
  random: Random,
  start: (name: string, onKilled: (process: SimulatedProcess) => void) => Site,
): Chaos => {
  const places: (Site | undefined)[] = []
  let born = 0
  const settle = (place: number): void => {
    places[place] = start(`p${++born}`, () => vacate(place))
  }
  const vacate = (place: number): void => {
    places[place] = undefined
    world.after(random.between(20, 1_500), () => settle(place))
  }
  const anyone = (): { readonly site: Site; readonly place: number } | undefined => {
    const place = random.below(PLACES)
    const site = places[place]
    return site && { site, place }
  }
  const misfortunes: readonly [() => void, ...(() => void)[]] = [
    () => {
      const found = anyone()
      if (!found) return
      faults.count('process killed')
      found.site.process.kill()
      vacate(found.place)
    },
    () => anyone()?.site.doom(random.pick(points), random.below(4)),
    () => {
      const found = anyone()
      if (!found) return
      faults.count('process paused')
      found.site.process.pause()
      world.after(random.between(200, 5_000), found.site.process.resume)
    },
    () => {
      const found = anyone()
      if (!found) return
      faults.count('clock set')
      found.site.process.jump(random.between(-60_000, 60_000))
    },
    () =>
      void anyone()
        ?.site.shorten()
        .catch(() => {}), // its actor was closed meanwhile
    () => {
      faults.count('server silent')
      wire.silence(random.between(200, 3_000))
    },
  ]
  const strike = (): void => {
    if (faults.isPeace()) return
    random.pick(misfortunes)()
    world.after(random.between(300, 2_500), strike)
  }
  for (let place = 0; place < PLACES; place++) settle(place)
  world.after(random.between(300, 2_000), strike)
  return {
    sites: () => places.filter((site) => site !== undefined),
    end: () => {
      for (const site of places) site?.process.resume()
    },
  }
}
