package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	reapInterval = time.Second
	// unheardTimeout is for a member whose session timeout is not known.
	unheardTimeout = 45 * time.Second
)

// reaper removes the members of consumer groups whose session has expired. The
// broker does so itself, but forgets a member whose connection broke while it
// waited for the answer to its join: that member would keep its partitions for
// ever.
type reaper struct {
	mu      sync.Mutex
	members map[string]*member // by member ID
}

type member struct {
	heard   time.Time
	session time.Duration
}

// watch notes every sign of life.
func (r *reaper) watch(cluster *kfake.Cluster) {
	observe := func(key kmsg.Key, note func(kmsg.Request)) {
		cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
			note(request)
			return nil, nil, false // the broker answers
		})
	}
	observe(kmsg.JoinGroup, func(request kmsg.Request) {
		join := request.(*kmsg.JoinGroupRequest)
		r.hear(join.MemberID, time.Duration(join.SessionTimeoutMillis)*time.Millisecond)
	})
	observe(kmsg.SyncGroup, func(request kmsg.Request) { r.hear(request.(*kmsg.SyncGroupRequest).MemberID, 0) })
	observe(kmsg.Heartbeat, func(request kmsg.Request) { r.hear(request.(*kmsg.HeartbeatRequest).MemberID, 0) })
}

func (r *reaper) hear(id string, session time.Duration) {
	if id == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil {
		m = &member{session: unheardTimeout}
		r.members[id] = m
	}
	m.heard = time.Now()
	if session > 0 {
		m.session = session
	}
}

// run removes expired members until ctx ends.
func (r *reaper) run(ctx context.Context, address string, fault func(error)) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		fault(fmt.Errorf("look after consumer groups: %w", err))
		return
	}
	defer client.Close()
	ticker := time.NewTicker(reapInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := r.reap(ctx, client); err != nil && ctx.Err() == nil {
			fault(fmt.Errorf("look after consumer groups: %w", err))
		}
	}
}

func (r *reaper) reap(ctx context.Context, client *kgo.Client) error {
	groups, err := kadm.NewClient(client).DescribeGroups(ctx)
	if err != nil {
		return err
	}
	alive := map[string]bool{}
	for _, group := range groups {
		for _, m := range group.Members {
			alive[m.MemberID] = true
			// In any other state the broker itself waits for its members.
			if group.State != "Stable" || !r.expired(m.MemberID) {
				continue
			}
			if err := leave(ctx, client, group.Group, m.MemberID); err != nil {
				return err
			}
		}
	}
	r.forget(alive)
	return nil
}

// expired reports whether a member has been silent for longer than its
// session; one that was never heard of is heard now.
func (r *reaper) expired(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil {
		r.members[id] = &member{heard: time.Now(), session: unheardTimeout}
		return false
	}
	return time.Since(m.heard) > m.session+reapInterval
}

// forget drops members that have been silent for long and are in no group.
func (r *reaper) forget(alive map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, m := range r.members {
		if !alive[id] && time.Since(m.heard) > unheardTimeout {
			delete(r.members, id)
		}
	}
}

func leave(ctx context.Context, client *kgo.Client, group, id string) error {
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group = group
	leaving := kmsg.NewLeaveGroupRequestMember()
	leaving.MemberID = id
	request.Members = append(request.Members, leaving)
	if _, err := request.RequestWith(ctx, client); err != nil {
		return fmt.Errorf("remove member %s of group %s: %w", id, group, err)
	}
	return nil
}
