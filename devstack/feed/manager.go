package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"helfy/devstack/feed/atomicfile"
	"helfy/devstack/feed/change"
	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/sink"
	"helfy/devstack/feed/tso"
)

const (
	// DefaultGCTTL is TiCDC's default of gc-ttl.
	DefaultGCTTL = 24 * time.Hour
	// keepAtLeast is how far back a new changefeed can start, unless the gc-ttl
	// is shorter.
	keepAtLeast = 10 * time.Minute
)

// Manager owns the changefeeds. It is safe for concurrent use.
type Manager struct {
	dir      string
	changes  *change.Store
	database Database
	gcTTL    time.Duration

	control sync.Mutex // held while a changefeed is created or changes its state
	mu      sync.Mutex
	feeds   map[string]*Feed
}

// Open loads the changefeeds of dir; Start runs them. One that does not run
// keeps the changes behind its checkpoint for gcTTL, as with TiCDC's gc-ttl.
func Open(dir string, changes *change.Store, database Database, gcTTL time.Duration) (*Manager, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create changefeed folder: %w", err)
	}
	m := &Manager{dir: dir, changes: changes, database: database, gcTTL: gcTTL, feeds: map[string]*Feed{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list changefeeds: %w", err)
	}
	for _, path := range paths {
		var r record
		if err := atomicfile.ReadJSON(path, &r); err != nil {
			return nil, err
		}
		if r.State == Normal {
			// How long the fault has lasted is not known: it counts anew.
			r.Fault = nil
		}
		definition, err := changefeed.Parse(r.Request)
		if err != nil {
			return nil, fmt.Errorf("changefeed %s: %w", path, err)
		}
		m.feeds[r.Request.ID] = m.newFeed(definition, r)
	}
	return m, nil
}

func (m *Manager) newFeed(d *changefeed.Definition, r record) *Feed {
	return &Feed{
		definition: d, record: r, changes: m.changes, database: m.database,
		path: filepath.Join(m.dir, d.ID+".json"),
	}
}

// Newest is the highest checkpoint that was recorded.
func (m *Manager) Newest() uint64 {
	newest := uint64(0)
	for _, f := range m.all() {
		newest = max(newest, f.Checkpoint())
	}
	return newest
}

// Start runs the changefeeds that are not stopped.
func (m *Manager) Start() {
	for _, f := range m.all() {
		f.start()
	}
}

// Close gives the changefeeds until ctx ends to send what has committed, and
// stops them.
func (m *Manager) Close(ctx context.Context) error {
	m.drain(ctx)
	var errs []error
	for _, f := range m.all() {
		f.stop()
		errs = append(errs, f.save())
	}
	return errors.Join(errs...)
}

func (m *Manager) drain(ctx context.Context) {
	resolved, _ := m.changes.Resolved()
	behind := func(f *Feed) bool {
		s := f.Snapshot()
		return s.State == Normal && s.Checkpoint < min(resolved, s.target())
	}
	for slices.ContainsFunc(m.all(), behind) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (m *Manager) all() []*Feed {
	m.mu.Lock()
	defer m.mu.Unlock()
	feeds := make([]*Feed, 0, len(m.feeds))
	for _, f := range m.feeds {
		feeds = append(feeds, f)
	}
	slices.SortFunc(feeds, func(a, b *Feed) int { return strings.Compare(a.definition.ID, b.definition.ID) })
	return feeds
}

func (m *Manager) get(id string) (*Feed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.feeds[id]
	if !ok {
		return nil, changefeed.Errorf(changefeed.ErrNotExists, "changefeed not exists, default/%s", id)
	}
	return f, nil
}

// Create checks the request against the tables and Kafka, as TiCDC does, and
// starts the changefeed.
func (m *Manager) Create(ctx context.Context, request changefeed.Request) (Snapshot, error) {
	m.control.Lock()
	defer m.control.Unlock()
	if _, err := m.get(request.ID); err == nil {
		return Snapshot{}, changefeed.Errorf(changefeed.ErrAlreadyExists, "changefeed already exists, %s", request.ID)
	}
	if request.StartTs == 0 {
		now, err := m.database.Now(ctx)
		if err != nil {
			return Snapshot{}, err
		}
		request.StartTs = now
	}
	definition, err := changefeed.Parse(request)
	if err != nil {
		return Snapshot{}, err
	}
	if err := m.checkStart(ctx, request.StartTs); err != nil {
		return Snapshot{}, err
	}
	if err := m.check(ctx, definition); err != nil {
		return Snapshot{}, err
	}
	f := m.newFeed(definition, record{
		Request: definition.Request, CreateTime: time.Now().UTC(), State: Normal, Checkpoint: request.StartTs,
	})
	if err := f.save(); err != nil {
		return Snapshot{}, err
	}
	m.mu.Lock()
	m.feeds[request.ID] = f
	m.mu.Unlock()
	f.start()
	return f.Snapshot(), nil
}

// checkStart refuses a start that the change log no longer covers, and one in
// the future: the folder could not be opened before the clock reaches it.
func (m *Manager) checkStart(ctx context.Context, ts uint64) error {
	now, err := m.database.Now(ctx)
	if err != nil {
		return err
	}
	if ts > now {
		return changefeed.Errorf(changefeed.ErrInvalidParam, "invalid start-ts %d, larger than current tso %d", ts, now)
	}
	if floor := m.changes.Floor(); ts < floor {
		return changefeed.Errorf(changefeed.ErrStartTsBeforeGC,
			"fail to create or maintain changefeed because start-ts %d is earlier than or equal to GC safepoint at %d", ts, floor)
	}
	return nil
}

// check tries the definition out on the tables that exist and on Kafka.
func (m *Manager) check(ctx context.Context, d *changefeed.Definition) error {
	p, err := newPipeline(d)
	if err != nil {
		return err
	}
	tables, err := m.database.Tables(ctx)
	if err != nil {
		return err
	}
	var ineligible []string
	for _, t := range tables {
		switch {
		case !p.filter.Selects(t):
		case !p.filter.Feeds(t):
			ineligible = append(ineligible, t.Schema+"."+t.Name)
		default:
			if err := errors.Join(p.router.Check(t), p.encoder.Check(t)); err != nil {
				return err
			}
		}
	}
	if len(ineligible) > 0 && !d.Config.IgnoreIneligibleTable {
		return changefeed.Errorf(changefeed.ErrTableIneligible, "some tables are not eligible to replicate (%v): they have no key", ineligible)
	}
	producer, err := sink.New(*d.Target, func(error) {})
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, topic := range p.topics(tables) {
		if _, err := producer.Partitions(ctx, topic); err != nil {
			var coded *changefeed.Error
			if errors.As(err, &coded) {
				return coded
			}
			return changefeed.Errorf(changefeed.ErrKafkaNew, "%v", err)
		}
	}
	return nil
}

// Collect gives up the changes that no changefeed needs any more, now being
// the current TSO. It wants to be called every minute or so.
func (m *Manager) Collect(now uint64) error {
	// A changefeed that is being created counts on the changes since its
	// start; the next call is soon enough.
	if !m.control.TryLock() {
		return nil
	}
	defer m.control.Unlock()
	keep := tso.Before(now, min(keepAtLeast, m.gcTTL))
	for _, f := range m.all() {
		s := f.Snapshot()
		switch {
		case s.State == Finished || s.State == Failed && s.Fault != nil && s.Fault.Code == changefeed.ErrGCTTL:
		case s.State == Normal || s.State == Warning || s.Checkpoint > tso.Before(now, m.gcTTL):
			keep = min(keep, s.Checkpoint)
		default:
			f.end(Failed, changefeed.Errorf(changefeed.ErrGCTTL,
				"the checkpoint-ts(%d) lag of the changefeed(%s) has exceeded the GC TTL and the changefeed is blocking global GC progression", s.Checkpoint, s.Definition.ID))
		}
	}
	if keep <= m.changes.Floor() {
		return nil
	}
	return m.changes.DropBefore(keep)
}
