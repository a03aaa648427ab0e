package stack

import (
	"runtime"
	"time"
)

// WatchHeap samples the heap until the function that it returns is called,
// which tells its greatest size in MB.
func WatchHeap() (peak func() float64) {
	runtime.GC()
	return Watch(func() float64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return float64(stats.HeapInuse) / (1 << 20)
	})
}

// sampleEvery is how much time lies between two looks at what is watched.
const sampleEvery = 20 * time.Millisecond

// Watch calls sample again and again, from a goroutine of its own, until the
// function that it returns is called, which tells the greatest of the samples.
func Watch(sample func() float64) (peak func() float64) {
	stop, greatest := make(chan struct{}), make(chan float64)
	go func() {
		most := sample()
		for {
			select {
			case <-time.After(sampleEvery):
				most = max(most, sample())
			case <-stop:
				greatest <- most
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-greatest
	}
}
