package kafka_test

import (
	"context"
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
	id         string
	generation int32
}

// join joins the group and returns when the broker answers.
func (p *participant) join(ctx context.Context) (*kmsg.JoinGroupResponse, error) {
	request := kmsg.NewPtrJoinGroupRequest()
	request.Group, request.MemberID, request.ProtocolType = group, p.id, "consumer"
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
	request.Group, request.MemberID, request.Generation = group, p.id, p.generation
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
	request.Group, request.MemberID, request.Generation = group, p.id, p.generation
	response, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}

// A member that dies while it waits for the answer to its join must not keep
// its partitions.
func TestAMemberThatDiesInARebalanceIsRemoved(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	b := startBroker(t, t.TempDir())
	admin := kadm.NewClient(b.client(t))
	leader := &participant{client: b.client(t)}
	joined, err := leader.join(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.sync(ctx, joined.Members); err != nil {
		t.Fatal(err)
	}

	dying := &participant{client: b.client(t)}
	dyingCtx, die := context.WithCancel(ctx)
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_, _ = dying.join(dyingCtx) // no answer comes
	}()
	waitFor(t, ctx, func() error {
		if err := leader.heartbeat(ctx); err != kerr.RebalanceInProgress {
			return fmt.Errorf("the leader's heartbeat is answered %v", err)
		}
		return nil
	})
	die()
	<-dead
	dying.client.Close()
	if joined, err = leader.join(ctx); err != nil {
		t.Fatal(err)
	}
	if len(joined.Members) != 2 {
		t.Fatalf("%d members joined, want the dead one among them", len(joined.Members))
	}
	if err := leader.sync(ctx, joined.Members); err != nil {
		t.Fatal(err)
	}
	waitFor(t, ctx, func() error {
		_ = leader.heartbeat(ctx) // whatever it is answered, it shows life
		groups, err := admin.DescribeGroups(ctx, group)
		if err != nil {
			return err
		}
		if members := groups[group].Members; len(members) != 1 || members[0].MemberID != leader.id {
			return fmt.Errorf("the group has the members %+v", members)
		}
		return nil
	})
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
