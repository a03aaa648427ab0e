package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const session = 6 * time.Second

// participant is a member of a group that says what the test tells it to.
type participant struct {
	client     *kgo.Client
	group      string
	id         string
	generation int32
}

// join joins the group and returns when the broker answers.
func (p *participant) join(ctx context.Context) (*kmsg.JoinGroupResponse, error) {
	request := kmsg.NewPtrJoinGroupRequest()
	request.Group, request.MemberID, request.ProtocolType = p.group, p.id, "consumer"
	request.SessionTimeoutMillis, request.RebalanceTimeoutMillis = int32(session.Milliseconds()), 20_000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	request.Protocols = append(request.Protocols, protocol)
	response, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return nil, err
	}
	p.id = response.MemberID
	if kerr.ErrorForCode(response.ErrorCode) == kerr.MemberIDRequired {
		return p.join(ctx)
	}
	p.generation = response.Generation
	return response, kerr.ErrorForCode(response.ErrorCode)
}

func (p *participant) sync(ctx context.Context, members []kmsg.JoinGroupResponseMember) error {
	request := kmsg.NewPtrSyncGroupRequest()
	request.Group, request.MemberID, request.Generation = p.group, p.id, p.generation
	for _, m := range members {
		assignment := kmsg.NewSyncGroupRequestGroupAssignment()
		assignment.MemberID = m.MemberID
		request.GroupAssignment = append(request.GroupAssignment, assignment)
	}
	response, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}

func (p *participant) heartbeat(ctx context.Context) error {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Group, request.MemberID, request.Generation = p.group, p.id, p.generation
	response, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}

// A member that dies while it waits for the answer to its join must not keep
// its partitions. The broker forgets about half of those that do, by chance,
// so that several groups try.
func TestAMemberThatDiesInARebalanceIsRemoved(t *testing.T) {
	b := startBroker(t, t.TempDir())
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			group := fmt.Sprintf("group-%d", i)
			leader := &participant{client: b.client(t), group: group}
			victim := &participant{client: b.client(t), group: group}
			dieInRebalance(t, ctx, leader, victim)
			admin := kadm.NewClient(b.client(t))
			waitFor(t, ctx, func() error {
				_ = leader.heartbeat(ctx) // whatever it is answered, it shows life
				groups, err := admin.DescribeGroups(ctx, group)
				if err != nil {
					return err
				}
				for _, m := range groups[group].Members {
					if m.MemberID == victim.id {
						return fmt.Errorf("the dead member is still in the group, which is %s", groups[group].State)
					}
				}
				return nil
			})
		})
	}
}

// dieInRebalance makes the leader join, and the victim too, which dies before
// it is answered.
func dieInRebalance(t *testing.T, ctx context.Context, leader, victim *participant) {
	t.Helper()
	joined, err := leader.join(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.sync(ctx, joined.Members); err != nil {
		t.Fatal(err)
	}
	victimCtx, die := context.WithCancel(ctx)
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_, _ = victim.join(victimCtx) // no answer comes
	}()
	waitFor(t, ctx, func() error {
		if err := leader.heartbeat(ctx); !errors.Is(err, kerr.RebalanceInProgress) {
			return fmt.Errorf("the leader's heartbeat is not answered by a rebalance: %w", err)
		}
		return nil
	})
	die()
	<-dead
	victim.client.Close()
	// When the broker has seen the connection end cannot be observed; if that
	// takes longer, the test shows less, but does not fail.
	<-time.After(time.Second)
	if joined, err = leader.join(ctx); err != nil {
		t.Fatal(err)
	}
	if len(joined.Members) != 2 {
		t.Fatalf("%d members joined, want the dead one among them", len(joined.Members))
	}
	if err := leader.sync(ctx, joined.Members); err != nil {
		t.Fatal(err)
	}
}

// waitFor polls until check is content or ctx ends.
func waitFor(t *testing.T, ctx context.Context, check func() error) {
	t.Helper()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
