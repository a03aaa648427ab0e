package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"helfy/app/query"
	"helfy/domain"
	"helfy/service"
)

// Finding is a finding of GET /api/audit/findings.
type Finding struct {
	Kind        string    `json:"kind"`
	UserID      *int64    `json:"userId"`
	Username    *string   `json:"username"`
	CommitTs    string    `json:"commitTs"`
	CommittedAt time.Time `json:"committedAt"`
	Table       string    `json:"table"`
	RowKey      string    `json:"rowKey"`
	Detail      string    `json:"detail"`
	Kafka       struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    int64  `json:"offset"`
	} `json:"kafka"`
	Old map[string]*string `json:"old"`
	New map[string]*string `json:"new"`
}

// FindingsPage is the answer of GET /api/audit/findings.
type FindingsPage struct {
	Findings        []Finding  `json:"findings"`
	Next            *string    `json:"next"`
	VerifiedThrough *time.Time `json:"verifiedThrough"`
}

// Findings returns one page of findings.
func (c *Client) Findings(ctx context.Context, token, query string) (FindingsPage, error) {
	response, text, err := c.Do(ctx, http.MethodGet, "/api/audit/findings"+query, token, "")
	if err != nil {
		return FindingsPage{}, err
	}
	if response.StatusCode != http.StatusOK {
		return FindingsPage{}, &StatusError{response.StatusCode, string(text)}
	}
	var page FindingsPage
	return page, json.Unmarshal(text, &page)
}

// verificationTimeout is how long verification may lag behind, a rebalance of
// the consumers included.
const verificationTimeout = 2 * time.Minute

// VerifiedFindings waits until everything that is committed now is verified,
// and returns all findings, the oldest first. It asks the database, so that a
// test may do what it likes with the users.
func VerifiedFindings(t testing.TB, config service.Config) []domain.Finding {
	t.Helper()

	// devstack's TSO is the wall clock.
	now := domain.TSOOfTime(time.Now().Add(time.Millisecond))
	var found []domain.Finding
	Eventually(t, verificationTimeout, func() error {
		found = nil
		through, err := config.Findings(t.Context(), func(f query.Finding) error {
			found = append(found, f.Finding)
			return nil
		})
		if err == nil && through < now {
			err = fmt.Errorf("verified through %s, want %s", domain.TimeOfTSO(through), domain.TimeOfTSO(now))
		}
		return err
	})
	slices.Reverse(found)
	return found
}

// RequireNoFindings waits until everything that is committed now is verified,
// and fails the test if anything was found.
func RequireNoFindings(t testing.TB, config service.Config) {
	t.Helper()
	for _, f := range VerifiedFindings(t, config) {
		t.Errorf("%s, user %d (%s), %s/%s@%d, %s[%d]@%d: %s", f.Kind, f.UserID, f.Username, f.Table, f.RowKey, f.CommitTs,
			f.Topic, f.Partition, f.Offset, f.Detail)
	}
}
