package feed

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"helfy/devstack/feed/changefeed"
)

// Snapshot is what can be told of a changefeed at one moment.
type Snapshot struct {
	Definition *changefeed.Definition
	CreateTime time.Time
	State      State
	Fault      *Fault
	Checkpoint uint64
	Resolved   uint64
}

func (s *Snapshot) target() uint64 {
	if s.Definition.TargetTs == 0 {
		return math.MaxUint64
	}
	return s.Definition.TargetTs
}

// Snapshot returns the feed's present state.
func (f *Feed) Snapshot() Snapshot {
	resolved, _ := f.changes.Resolved()
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Snapshot{
		Definition: f.definition, CreateTime: f.record.CreateTime, State: f.record.State,
		Fault: f.record.Fault, Checkpoint: f.record.Checkpoint, Resolved: max(resolved, f.record.Checkpoint),
	}
	if s.State == Normal && s.Fault != nil {
		s.State = Warning
	}
	return s
}

// List returns all changefeeds, by ID.
func (m *Manager) List() []Snapshot {
	list := []Snapshot{}
	for _, f := range m.all() {
		list = append(list, f.Snapshot())
	}
	return list
}

// Get returns one changefeed.
func (m *Manager) Get(id string) (Snapshot, error) {
	f, err := m.get(id)
	if err != nil {
		return Snapshot{}, err
	}
	return f.Snapshot(), nil
}

// Pause stops a changefeed; it stays stopped after a restart.
func (m *Manager) Pause(id string) error {
	m.control.Lock()
	defer m.control.Unlock()
	f, err := m.get(id)
	if err != nil {
		return err
	}
	f.stop()
	f.mu.Lock()
	if f.record.State == Normal {
		f.record.State = Stopped
	}
	f.mu.Unlock()
	return f.save()
}

// Update gives a stopped or failed changefeed another definition. As with
// TiCDC, what the request leaves out stays, but for the members of
// replica_config, which get TiCDC's defaults; a target_ts cannot be taken
// away, a start_ts not be changed.
func (m *Manager) Update(ctx context.Context, id string, request changefeed.Request) (Snapshot, error) {
	m.control.Lock()
	defer m.control.Unlock()
	f, err := m.get(id)
	if err != nil {
		return Snapshot{}, err
	}
	s := f.Snapshot()
	if s.State != Stopped && s.State != Failed {
		return Snapshot{}, changefeed.Errorf(changefeed.ErrUpdateRefused, "can only update changefeed config when it is stopped or failed")
	}
	if request.StartTs != 0 {
		return Snapshot{}, changefeed.Errorf(changefeed.ErrInvalidParam, "start_ts can not be updated")
	}
	updated := s.Definition.Request
	if request.TargetTs != 0 {
		if request.TargetTs <= updated.StartTs {
			return Snapshot{}, changefeed.Errorf(changefeed.ErrUpdateRefused,
				"can not update target_ts:%d less than start_ts:%d", request.TargetTs, updated.StartTs)
		}
		updated.TargetTs = request.TargetTs
	}
	if request.SinkURI != "" {
		updated.SinkURI = request.SinkURI
	}
	if len(request.Config) > 0 {
		updated.Config = request.Config
	}
	definition, err := changefeed.Parse(updated)
	if err != nil {
		return Snapshot{}, err
	}
	if err := m.check(ctx, definition); err != nil {
		return Snapshot{}, err
	}
	f.stop()
	f.mu.Lock()
	f.definition, f.record.Request = definition, definition.Request
	f.mu.Unlock()
	return f.Snapshot(), f.save()
}

// Resume runs a stopped or failed changefeed on, from its checkpoint or, when
// it is not 0, from the given one.
func (m *Manager) Resume(ctx context.Context, id string, checkpoint uint64) error {
	m.control.Lock()
	defer m.control.Unlock()
	f, err := m.get(id)
	if err != nil {
		return err
	}
	s := f.Snapshot()
	if s.State == Finished {
		return changefeed.Errorf(changefeed.ErrUpdateRefused, "changefeed %s is finished", id)
	}
	if checkpoint == 0 {
		checkpoint = s.Checkpoint
	}
	if err := m.checkStart(ctx, checkpoint); err != nil {
		return err
	}
	if s.State == Normal || s.State == Warning {
		return nil
	}
	f.stop()
	f.mu.Lock()
	f.record.State, f.record.Fault, f.record.Checkpoint = Normal, nil, checkpoint
	f.mu.Unlock()
	if err := f.save(); err != nil {
		return err
	}
	f.start()
	return nil
}

// Delete removes a changefeed; one that does not exist is no error, as TiCDC
// has it.
func (m *Manager) Delete(id string) error {
	m.control.Lock()
	defer m.control.Unlock()
	f, err := m.get(id)
	if err != nil {
		return nil
	}
	f.stop()
	m.mu.Lock()
	delete(m.feeds, id)
	m.mu.Unlock()
	if err := os.Remove(f.path); err != nil {
		return fmt.Errorf("remove changefeed %s: %w", id, err)
	}
	return nil
}
