package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

type podName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (p podName) key() string { return p.Namespace + "/" + p.Name }

// A step is one of the two.
type step struct {
	// Nodes that become unschedulable, all at once.
	Cordon []string `json:"cordon"`
	// A pod that is evicted; its replacement is scheduled at once.
	Move *podName `json:"move"`
	// The node where the replacement is put if the Filters let it, instead of where the scheduler would have it.
	To string `json:"to"`
}
type placeQuestion struct {
	// Of the nodes' order, and of what is drawn by lot.
	Seed int64 `json:"seed"`
	// Lots are drawn among equals, instead of taking the first.
	RandomTies bool   `json:"randomTies"`
	Steps      []step `json:"steps"`
}
type placement struct {
	podName
	Node string `json:"node"`
}
type stranded struct {
	podName
	Reason string `json:"reason"`
	// Whom kube-scheduler would delete to make room for it.
	Preempts []string `json:"preempts"`
}
type placeAnswer struct {
	Seed    int64       `json:"seed"`
	Placed  []placement `json:"placed"`
	Pending []stranded  `json:"pending"`
	// Those that the Filters keep off the node that was said. They are nowhere afterwards.
	Refused []stranded `json:"refused"`
}

// place runs steps as a drain would, each time over the cluster as it was given, and answers where the real algorithm
// (Filter, Score, how many nodes it looks at) puts each pod. A pod that fits nowhere is tried again before nodes are cordoned
// and at the end, as long as that places any. Nobody is preempted; who would be is said.
func place(ctx context.Context, objects *objects, configured *configured, in io.Reader, out io.Writer) error {
	return eachLine(in, out, func(question placeQuestion) (placeAnswer, error) {
		lots := rand.New(rand.NewSource(question.Seed))
		nodes := slices.Clone(objects.nodes)
		lots.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		c, err := newCluster(ctx, objects, nodes, configured)
		if err != nil {
			return placeAnswer{}, err
		}
		defer c.stop()
		if question.RandomTies {
			c.Extenders = append(c.Extenders, randomTies{lots: lots})
		}
		preemptor, err := newPreemptor(ctx, c, objects, configured)
		if err != nil {
			return placeAnswer{}, err
		}
		p := &placing{cluster: c, preemptor: preemptor, pods: maps.Clone(objects.pods)}
		if err := p.run(ctx, question.Steps); err != nil {
			return placeAnswer{}, err
		}
		return p.answer(question), nil
	})
}

type placing struct {
	*cluster
	preemptor *preemptor
	// As they are now, by "namespace/name".
	pods map[string]*v1.Pod
	// Those that moved, in order; each once.
	moved   []podName
	pending []waiting
	refused []waiting
}
type waiting struct {
	pod      *v1.Pod
	reason   string
	preempts []string
}

func (p *placing) run(ctx context.Context, steps []step) error {
	for number, step := range steps {
		if err := p.step(ctx, step); err != nil {
			return fmt.Errorf("steps[%d]: %w", number, err)
		}
	}
	return p.retry(ctx)
}

func (p *placing) step(ctx context.Context, step step) error {
	if step.Move != nil {
		return p.move(ctx, *step.Move, step.To)
	}
	if err := p.retry(ctx); err != nil {
		return err
	}
	for _, name := range step.Cordon {
		if err := p.cordon(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// cordon does what kubectl does, and what the node lifecycle controller adds.
func (p *placing) cordon(ctx context.Context, name string) error {
	known, err := p.Cache.GetNode(name)
	if err != nil || known.Node() == nil {
		return fmt.Errorf("there is no node %s", name)
	}
	node := known.Node().DeepCopy()
	if node.Spec.Unschedulable {
		return nil
	}
	node.Spec.Unschedulable = true
	node.Spec.Taints = append(node.Spec.Taints, v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule})
	p.Cache.UpdateNode(klog.FromContext(ctx), known.Node(), node)
	return nil
}

func (p *placing) move(ctx context.Context, name podName, to string) error {
	pod := p.pods[name.key()]
	if pod == nil || pod.Spec.NodeName == "" {
		return fmt.Errorf("there is no pod %s on a node", name.key())
	}
	if err := p.Cache.RemovePod(klog.FromContext(ctx), pod); err != nil {
		return err
	}
	if !slices.Contains(p.moved, name) {
		p.moved = append(p.moved, name)
	}
	next := replacement(pod)
	p.pods[name.key()] = next
	if to != "" {
		return p.put(ctx, next, to)
	}
	return p.schedule(ctx, next)
}

// put places the pod where it is told to.
func (p *placing) put(ctx context.Context, pod *v1.Pod, to string) error {
	if err := p.update(ctx); err != nil {
		return err
	}
	node, err := p.view.Get(to)
	if err != nil {
		return err
	}
	cycle := begin(ctx, p.standard, pod)
	reasons, err := cycle.refuses(ctx, node)
	if err != nil {
		return err
	}
	if reasons != nil {
		p.refused = append(p.refused, waiting{pod: pod, reason: strings.Join(reasons, "; ")})
		return nil
	}
	return p.bind(ctx, cycle.state, pod, to)
}

// retry tries those that wait, in the order of the scheduler's queue.
func (p *placing) retry(ctx context.Context) error {
	for before := len(p.pending) + 1; len(p.pending) > 0 && len(p.pending) < before; {
		before = len(p.pending)
		tried := p.pending
		p.pending = nil
		slices.SortStableFunc(tried, func(a, b waiting) int { return int(priority(b.pod)) - int(priority(a.pod)) })
		for _, each := range tried {
			if err := p.schedule(ctx, each.pod); err != nil {
				return err
			}
		}
	}
	return nil
}

func priority(pod *v1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

// schedule is one scheduling cycle, and the binding at once.
func (p *placing) schedule(ctx context.Context, pod *v1.Pod) error {
	for _, plugin := range p.standard.PreEnqueuePlugins() {
		if status := plugin.PreEnqueue(ctx, pod); !status.IsSuccess() {
			p.pending = append(p.pending, waiting{pod: pod, reason: status.Message()})
			return nil
		}
	}
	if err := p.update(ctx); err != nil {
		return err
	}
	info, err := framework.NewPodInfo(pod)
	if err != nil {
		return err
	}
	state := framework.NewCycleState()
	// Without a signature no result of the cycle before is used again: moves are seconds apart.
	result, err := p.SchedulePod(ctx, p.standard, state, &framework.QueuedPodInfo{PodInfo: info})
	if err != nil {
		return p.strand(ctx, state, pod, err)
	}
	return p.bind(ctx, state, pod, result.SuggestedHost)
}

func (p *placing) bind(ctx context.Context, state fwk.CycleState, pod *v1.Pod, node string) error {
	placed := pod.DeepCopy()
	placed.Spec.NodeName = node
	if status := p.standard.RunReservePluginsReserve(ctx, state, placed, node); !status.IsSuccess() {
		return fmt.Errorf("reserve %s/%s on %s: %w", pod.Namespace, pod.Name, node, status.AsError())
	}
	p.pods[pod.Namespace+"/"+pod.Name] = placed
	return p.Cache.AddPod(klog.FromContext(ctx), placed)
}

func (p *placing) strand(ctx context.Context, state *framework.CycleState, pod *v1.Pod, cause error) error {
	wait := waiting{pod: pod, reason: cause.Error()}
	var unfit *framework.FitError
	if errors.As(cause, &unfit) {
		victims, err := p.preemptor.victims(ctx, state, pod, unfit)
		if err != nil {
			return err
		}
		wait.preempts = victims
	} else if !errors.Is(cause, scheduler.ErrNoNodesAvailable) {
		return cause
	}
	p.pending = append(p.pending, wait)
	return nil
}

func (p *placing) answer(question placeQuestion) placeAnswer {
	answer := placeAnswer{Seed: question.Seed, Placed: []placement{}, Pending: told(p.pending), Refused: told(p.refused)}
	for _, name := range p.moved {
		if pod := p.pods[name.key()]; pod.Spec.NodeName != "" {
			answer.Placed = append(answer.Placed, placement{name, pod.Spec.NodeName})
		}
	}
	return answer
}

func told(all []waiting) []stranded {
	list := []stranded{}
	for _, each := range all {
		name := podName{each.pod.Namespace, each.pod.Name}
		list = append(list, stranded{name, each.reason, append([]string{}, each.preempts...)})
	}
	return list
}
