package main

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// A watched informer remembers who listens to it: VolumeBinding keeps copies of claims and volumes, and nobody else says
// when these are complete.
type watched struct {
	cache.SharedIndexInformer
	mu        sync.Mutex
	listeners []cache.ResourceEventHandlerRegistration
}

func (w *watched) noted(listener cache.ResourceEventHandlerRegistration, err error) (cache.ResourceEventHandlerRegistration, error) {
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners = append(w.listeners, listener)
	return listener, nil
}

func (w *watched) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return w.noted(w.SharedIndexInformer.AddEventHandler(handler))
}

func (w *watched) AddEventHandlerWithResyncPeriod(handler cache.ResourceEventHandler, resync time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return w.noted(w.SharedIndexInformer.AddEventHandlerWithResyncPeriod(handler, resync))
}

func (w *watched) AddEventHandlerWithOptions(handler cache.ResourceEventHandler, options cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return w.noted(w.SharedIndexInformer.AddEventHandlerWithOptions(handler, options))
}

func (w *watched) waitForListeners(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, listener := range w.listeners {
		cache.WaitForCacheSync(ctx.Done(), listener.HasSynced)
	}
}

// watchVolumes puts watched informers into the factory, before anybody asks it for others.
func watchVolumes(factory informers.SharedInformerFactory) []*watched {
	var all []*watched
	watch := func(make func(kubernetes.Interface) cache.SharedIndexInformer) func(kubernetes.Interface, time.Duration) cache.SharedIndexInformer {
		return func(client kubernetes.Interface, _ time.Duration) cache.SharedIndexInformer {
			informer := &watched{SharedIndexInformer: make(client)}
			all = append(all, informer)
			return informer
		}
	}
	factory.InformerFor(&v1.PersistentVolumeClaim{}, watch(func(client kubernetes.Interface) cache.SharedIndexInformer {
		return coreinformers.NewPersistentVolumeClaimInformer(client, v1.NamespaceAll, 0, byNamespace())
	}))
	factory.InformerFor(&v1.PersistentVolume{}, watch(func(client kubernetes.Interface) cache.SharedIndexInformer {
		return coreinformers.NewPersistentVolumeInformer(client, 0, byNamespace())
	}))
	return all
}

func byNamespace() cache.Indexers {
	return cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
}
