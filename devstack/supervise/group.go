package supervise

import (
	"syscall"
	"time"
)

const groupEvery = 10 * time.Millisecond

// endGroup ends a process group: SIGTERM, and after the grace SIGKILL. It
// returns at once when the group has no process. Only the caller's knowledge
// that the group is its own makes that safe.
func endGroup(pgid int, grace time.Duration) {
	if syscall.Kill(-pgid, syscall.SIGTERM) != nil {
		return
	}
	// A stopped process acts on SIGTERM only when it goes on.
	_ = syscall.Kill(-pgid, syscall.SIGCONT)
	for deadline := time.Now().Add(grace); time.Now().Before(deadline); time.Sleep(groupEvery) {
		if syscall.Kill(-pgid, 0) != nil {
			return
		}
	}
	_ = syscall.Kill(-pgid, syscall.SIGKILL)
}
