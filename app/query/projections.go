package query

import (
	"time"

	"helfy/app/projection"
)

// GenerationStatus says how a generation of a projection is doing.
type GenerationStatus struct {
	Projection string                     `json:"projection"`
	Generation int                        `json:"generation"`
	State      projection.GenerationState `json:"state"`
	BeganAt    time.Time                  `json:"beganAt"`
	LiveSince  *time.Time                 `json:"liveSince"`
	// CompleteThrough is nil while nothing is confirmed to be complete.
	CompleteThrough *time.Time `json:"completeThrough"`
	// Messages is the number of messages that Kafka has for it, Lag of those
	// that it has not read yet, LagSeconds how long ago its least watermark
	// was, nil if it has none. A changefeed that stands still makes the latter
	// grow, but not the former.
	Messages   int64    `json:"messages"`
	Lag        int64    `json:"lag"`
	LagSeconds *float64 `json:"lagSeconds"`
	// DeadLetters are open, WaivedDeadLetters are not.
	DeadLetters       int64 `json:"deadLetters"`
	WaivedDeadLetters int64 `json:"waivedDeadLetters"`
	// Digest is that of the rows up to DigestThrough, nil unless it was asked
	// for and the generation is fed; DiffersFromLive compares it with that of
	// the live one.
	Digest          *projection.Digest `json:"digest,omitempty"`
	DigestThrough   *time.Time         `json:"digestThrough,omitempty"`
	DiffersFromLive bool               `json:"differsFromLive,omitempty"`
	// AtWork says who builds, compares, switches or removes generations of
	// the projection just now; empty if nobody does.
	AtWork string `json:"atWork,omitempty"`
}

// RebuildStatus says how the last rebuild of a projection is doing, or how it
// ended.
type RebuildStatus struct {
	projection.Run
	// PerSecond is how many messages it reads in a second, nil unless it does.
	PerSecond *float64
}

// Projections are all projections.
type Projections struct {
	Generations []GenerationStatus
	Rebuilds    []RebuildStatus
}

// NewRebuildStatus returns how a run is doing at a time, given who is at work
// on the projection, empty if nobody is, and its generations.
func NewRebuildStatus(run projection.Run, atWork string, generations []GenerationStatus, now time.Time) RebuildStatus {
	status := RebuildStatus{Run: run}
	if run.State != projection.RunRunning {
		return status
	}
	if atWork == "" {
		status.State = projection.RunInterrupted
		return status
	}
	for _, g := range generations {
		elapsed := now.Sub(run.ReadingAt).Seconds()
		if g.Projection != run.Projection || g.Generation != run.Generation || run.Stage != projection.StageRead || run.ReadingAt.IsZero() || elapsed <= 0 {
			continue
		}
		rate := max(0, float64(g.Messages-g.Lag-run.ReadBefore)) / elapsed
		status.PerSecond = &rate
	}
	return status
}
