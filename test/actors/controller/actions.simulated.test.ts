import { createSimulator } from '../../../src/simulator/simulator.ts'
import { actionsContract } from '../../contracts/actions.ts'

const quick = { startPodMs: 20, graceSecondMs: 50, bookmarkMs: 30 }

actionsContract('actions on the simulated cluster', () => createSimulator({ timings: quick }))
