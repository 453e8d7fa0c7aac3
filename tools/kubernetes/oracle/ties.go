package main

import (
	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// randomTies has kube-scheduler choose at random among the nodes of the best score. Without any extender 1.37 takes the one
// that its filters reached first; older ones draw lots. To every node this extender gives nothing.
type randomTies struct{ fwk.Extender }

func (randomTies) Name() string                { return "random-ties" }
func (randomTies) IsInterested(_ *v1.Pod) bool { return true }
func (randomTies) IsPrioritizer() bool         { return true }
func (randomTies) IsFilter() bool              { return false }

func (randomTies) Filter(_ *v1.Pod, nodes []fwk.NodeInfo) ([]fwk.NodeInfo, extenderv1.FailedNodesMap, extenderv1.FailedNodesMap, error) {
	return nodes, nil, nil, nil
}

func (randomTies) Prioritize(_ *v1.Pod, nodes []fwk.NodeInfo) (*extenderv1.HostPriorityList, int64, error) {
	scores := make(extenderv1.HostPriorityList, len(nodes))
	for i, node := range nodes {
		scores[i].Host = node.Node().Name
	}
	return &scores, 1, nil
}
