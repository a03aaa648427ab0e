package stack

import (
	"runtime"
	"time"
)

// WatchHeap samples the heap until the function that it returns is called,
// which tells its greatest size in MB.
func WatchHeap() (peak func() float64) {
	runtime.GC()
	stop, greatest := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapInuse)
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				greatest <- most
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return float64(<-greatest) / (1 << 20)
	}
}
