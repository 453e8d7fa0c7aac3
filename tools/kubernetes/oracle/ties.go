package main

import (
	"math/rand"

	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// randomTies has kube-scheduler choose by lot among the nodes of the best score. Of equals 1.37 takes the one that stands
// first, which is the order that its filters reached them in; older ones draw lots. This extender lets every node pass, in
// an order that is drawn.
type randomTies struct {
	fwk.Extender
	lots *rand.Rand
}

func (randomTies) Name() string                { return "random-ties" }
func (randomTies) IsInterested(_ *v1.Pod) bool { return true }
func (randomTies) IsFilter() bool              { return true }
func (randomTies) IsPrioritizer() bool         { return false }

func (r randomTies) Filter(_ *v1.Pod, nodes []fwk.NodeInfo) ([]fwk.NodeInfo, extenderv1.FailedNodesMap, extenderv1.FailedNodesMap, error) {
	r.lots.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes, nil, nil, nil
}

func (randomTies) Prioritize(_ *v1.Pod, _ []fwk.NodeInfo) (*extenderv1.HostPriorityList, int64, error) {
	return &extenderv1.HostPriorityList{}, 0, nil
}
