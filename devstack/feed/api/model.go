package api

import (
	"time"

	"helfy/devstack/feed"
	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/tso"
)

// info is TiCDC's ChangeFeedInfo.
type info struct {
	Namespace      string         `json:"namespace"`
	ID             string         `json:"id"`
	SinkURI        string         `json:"sink_uri"`
	CreateTime     time.Time      `json:"create_time"`
	StartTs        uint64         `json:"start_ts"`
	TargetTs       uint64         `json:"target_ts,omitempty"`
	Config         map[string]any `json:"config"`
	State          feed.State     `json:"state"`
	Error          *feed.Fault    `json:"error,omitempty"`
	CreatorVersion string         `json:"creator_version"`
	ResolvedTs     uint64         `json:"resolved_ts"`
	CheckpointTs   uint64         `json:"checkpoint_ts"`
	CheckpointTime string         `json:"checkpoint_time"`
	TaskStatus     []task         `json:"task_status,omitempty"`
}

type task struct {
	CaptureID string  `json:"capture_id"`
	TableIDs  []int64 `json:"table_ids"`
}

// newInfo describes a changefeed; running adds where its tasks run.
func newInfo(s feed.Snapshot, running bool) info {
	d := s.Definition
	i := info{
		Namespace: d.Namespace, ID: d.ID, SinkURI: changefeed.MaskURI(d.SinkURI), CreateTime: s.CreateTime,
		StartTs: d.StartTs, TargetTs: d.TargetTs, Config: d.Document, State: s.State, Error: s.Fault,
		CreatorVersion: Version, ResolvedTs: s.Resolved, CheckpointTs: s.Checkpoint, CheckpointTime: timeOf(s.Checkpoint),
	}
	if running {
		i.TaskStatus = []task{{CaptureID: "devstack", TableIDs: []int64{}}}
	}
	return i
}

// item is one line of the list.
type item struct {
	UpstreamID     uint64      `json:"upstream_id"`
	Namespace      string      `json:"namespace"`
	ID             string      `json:"id"`
	State          feed.State  `json:"state"`
	CheckpointTSO  uint64      `json:"checkpoint_tso"`
	CheckpointTime string      `json:"checkpoint_time"`
	Error          *feed.Fault `json:"error"`
}

func newItem(s feed.Snapshot) item {
	return item{
		Namespace: s.Definition.Namespace, ID: s.Definition.ID, State: s.State,
		CheckpointTSO: s.Checkpoint, CheckpointTime: timeOf(s.Checkpoint), Error: s.Fault,
	}
}

type status struct {
	State        feed.State  `json:"state"`
	ResolvedTs   uint64      `json:"resolved_ts"`
	CheckpointTs uint64      `json:"checkpoint_ts"`
	LastError    *feed.Fault `json:"last_error,omitempty"`
	LastWarning  *feed.Fault `json:"last_warning,omitempty"`
}

func newStatus(s feed.Snapshot) status {
	st := status{State: s.State, ResolvedTs: s.Resolved, CheckpointTs: s.Checkpoint}
	if s.State == feed.Warning {
		st.LastWarning = s.Fault
	} else {
		st.LastError = s.Fault
	}
	return st
}

// timeOf renders the physical part of a TSO as TiCDC does.
func timeOf(ts uint64) string {
	return tso.Time(ts).Format("2006-01-02 15:04:05.000")
}
