package argon2id

import (
	"context"
	"errors"
	"testing"
	"time"
)

// machine takes so long for each MiB and pass.
func machine(perMiB time.Duration) func(Params) Measurement {
	return func(p Params) Measurement {
		return Measurement{p, time.Duration(float64(p.MemoryKiB) / 1024 * float64(p.Time) * float64(perMiB))}
	}
}

func TestCalibrationComesCloseToItsTarget(t *testing.T) {
	for name, test := range map[string]struct {
		perMiB, target time.Duration
		maxMemory      uint32
		want           func(Measurement) bool
	}{
		"memory is enough": {time.Millisecond, 100 * time.Millisecond, 64 << 10, func(m Measurement) bool {
			return m.Params.MemoryKiB == 50<<10 && m.Params.Time == 2
		}},
		"passes follow": {time.Millisecond, time.Second, 64 << 10, func(m Measurement) bool {
			return m.Params.MemoryKiB == 64<<10 && m.Params.Time == 15
		}},
		"far away": {10 * time.Microsecond, 100 * time.Millisecond, 1 << 20, func(m Measurement) bool {
			return m.Params.MemoryKiB == 1<<20 && m.Took > 80*time.Millisecond && m.Took <= 100*time.Millisecond
		}},
		"a slow machine": {100 * time.Millisecond, 100 * time.Millisecond, 64 << 10, func(m Measurement) bool {
			return m.Params == DefaultParams && m.Took > time.Second
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := calibrate(t.Context(), test.target, test.maxMemory, machine(test.perMiB))
			if err != nil || !test.want(got) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestCalibrationEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := calibrate(ctx, time.Second, 64<<10, machine(time.Millisecond)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAMeasurementTakesTime(t *testing.T) {
	if took := measure(cheap); took <= 0 {
		t.Errorf("took %s", took)
	}
}
