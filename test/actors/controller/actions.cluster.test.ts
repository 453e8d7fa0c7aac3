import { actionsContract } from '../../contracts/actions.ts'
import { controlPlaneForTest } from '../../control-plane/for-test.ts'

actionsContract('actions on a real control plane', () => controlPlaneForTest())
