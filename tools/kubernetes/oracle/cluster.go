package main

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// A cluster is a scheduler whose cache and listers hold one set of objects. Its loop never runs: the program calls the
// parts of it that it asks about.
type cluster struct {
	*scheduler.Scheduler
	view *internalcache.Snapshot
	// The profile that was asked for.
	standard framework.Framework
	stop     context.CancelFunc
}

// newCluster makes a scheduler of the profile, and of others beside it, and shows it the objects, nodes in the order given.
// One worker instead of 16: which nodes are looked at is then the same each time.
func newCluster(ctx context.Context, objects *objects, nodes []*v1.Node, configured *configured, others ...config.KubeSchedulerProfile) (*cluster, error) {
	ctx, stop := context.WithCancel(ctx)
	client := fake.NewSimpleClientset()
	for _, object := range objects.others {
		if err := client.Tracker().Add(object); err != nil {
			stop()
			return nil, err
		}
	}
	factory := scheduler.NewInformerFactory(client, 0, nil)
	volumes := watchVolumes(factory)
	view := internalcache.NewEmptySnapshot()
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	made, err := scheduler.New(ctx, client, factory, nil, profile.NewRecorderFactory(broadcaster),
		scheduler.WithProfiles(append([]config.KubeSchedulerProfile{configured.profile}, others...)...),
		scheduler.WithPercentageOfNodesToScore(configured.percentageOfNodesToScore),
		scheduler.WithParallelism(1),
		scheduler.WithNodeInfoSnapshot(view))
	if err != nil {
		stop()
		return nil, fmt.Errorf("kube-scheduler: %w", err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if err := made.WaitForHandlersSync(ctx); err != nil {
		stop()
		return nil, err
	}
	for _, informer := range volumes {
		informer.waitForListeners(ctx)
	}
	c := &cluster{Scheduler: made, view: view, standard: made.Profiles[configured.profile.SchedulerName], stop: stop}
	return c, c.show(ctx, objects, nodes)
}

func (c *cluster) show(ctx context.Context, objects *objects, nodes []*v1.Node) error {
	logger := klog.FromContext(ctx)
	for _, node := range nodes {
		c.Cache.AddNode(logger, node)
	}
	for _, pod := range objects.bound {
		if err := c.Cache.AddPod(logger, pod); err != nil {
			return err
		}
	}
	return nil
}

// update makes what is in the cache visible to the plugins, as each scheduling cycle does first.
func (c *cluster) update(ctx context.Context) error {
	return c.Cache.UpdateSnapshot(klog.FromContext(ctx), c.view)
}
