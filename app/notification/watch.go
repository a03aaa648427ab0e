package notification

import (
	"context"
	"log/slog"
	"time"
)

// Verified is how far the findings are known.
type Verified struct {
	Generation int
	Pass       uint64
	Through    uint64
}

// Findings are those of the live audit log.
type Findings interface {
	// Enqueue makes notifications of the findings that there are none of,
	// each once, whatever the generation that has them. It needs to look only
	// at what came after seen, and returns how far it has looked, and how
	// many findings it told of.
	Enqueue(ctx context.Context, seen Verified) (Verified, int, error)
}

// enqueueTimeout bounds one look at the findings.
const enqueueTimeout = time.Minute

// WatchFindings makes notifications of findings until ctx ends, and calls wake
// after it has. A look that fails is logged and tried again.
func WatchFindings(ctx context.Context, findings Findings, wake func(), log *slog.Logger) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var seen Verified
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		lookCtx, cancel := context.WithTimeout(ctx, enqueueTimeout)
		now, told, err := findings.Enqueue(lookCtx, seen)
		if err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "cannot make notifications of findings, trying again", "error", err)
		}
		cancel()
		if err == nil {
			seen = now
		}
		if told > 0 {
			wake()
		}
	}
}
