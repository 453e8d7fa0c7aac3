import { kubernetesApiContract } from '../contracts/kubernetes-api.ts'
import { controlPlaneForTest } from './for-test.ts'
import { offeredByKubernetes } from './offered.ts'
import type { ControlPlane } from './start.ts'

let plane: ControlPlane

kubernetesApiContract(
  'the real control plane',
  async () => {
    plane = await controlPlaneForTest()
    const { url, token, ca } = plane
    const { minor } = (await plane.api.get('/version')).body
    return {
      url,
      token,
      ca,
      nobodysToken: plane.tokenOf('nobody'),
      watchLists: Number.parseInt(minor, 10) >= 34,
      // What is compacted is still in the API server's memory, until that is gone too.
      expire: async () => {
        await plane.compact()
        await plane.restart('kube-apiserver')
      },
      holdControllers: async () => {
        plane.freeze('kube-controller-manager')
        return async () => plane.thaw('kube-controller-manager')
      },
      stop: () => plane.stop(),
    }
  },
  (bed) => offeredByKubernetes(bed, () => plane),
)
