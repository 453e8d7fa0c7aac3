package main

import (
	"context"
	"errors"

	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apiserver/pkg/util/feature"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	plfeature "k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
)

// A preemptor says whom kube-scheduler would delete for a pod that fits nowhere. It deletes nobody.
type preemptor struct {
	*defaultpreemption.DefaultPreemption
	*cluster
	budgets []*policy.PodDisruptionBudget
}

// newPreemptor returns nil when the profile does not preempt.
func newPreemptor(ctx context.Context, c *cluster, objects *objects, configured *configured) (*preemptor, error) {
	for _, plugin := range configured.profile.PluginConfig {
		args, ok := plugin.Args.(*config.DefaultPreemptionArgs)
		if !ok || !c.standard.HasPostFilterPlugins() {
			continue
		}
		made, err := defaultpreemption.New(ctx, args, c.standard, plfeature.NewSchedulerFeaturesFromGates(feature.DefaultFeatureGate))
		if err != nil {
			return nil, err
		}
		p := &preemptor{DefaultPreemption: made, cluster: c}
		for _, object := range objects.others {
			if budget, ok := object.(*policy.PodDisruptionBudget); ok {
				p.budgets = append(p.budgets, budget)
			}
		}
		return p, nil
	}
	return nil, nil
}

// victims are the pods, by "namespace/name", that would have to go.
func (p *preemptor) victims(ctx context.Context, state fwk.CycleState, pod *v1.Pod, unfit *framework.FitError) ([]string, error) {
	if p == nil {
		return nil, nil
	}
	if eligible, _ := p.PodEligibleToPreemptOthers(ctx, pod, nil); !eligible {
		return nil, nil
	}
	nodes, err := unfit.Diagnosis.NodeToStatus.NodesForStatusCode(p.view, fwk.Unschedulable)
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	// All of them, where kube-scheduler looks at a part that begins anywhere.
	candidates, _, err := p.Evaluator.DryRunPreemption(ctx, state, pod, nodes, p.budgets, 0, int32(len(nodes)))
	if len(candidates) == 0 {
		return nil, err
	}
	best := p.Evaluator.SelectCandidate(ctx, candidates)
	if best == nil {
		return nil, errors.New("preemption: no candidate was selected of several")
	}
	var names []string
	for _, victim := range best.Victims().Pods {
		names = append(names, victim.Namespace+"/"+victim.Name)
	}
	return names, nil
}
