package argon2id

import (
	"context"
	"slices"
	"time"

	"helfy/domain"
)

// samples is how many hashes a measurement takes the median of.
const samples = 5

// Measurement is what one hash cost on this machine.
type Measurement struct {
	Params Params
	// Took is the median of a few hashes, one at a time.
	Took time.Duration
}

// Least reports whether there are no lower parameters to choose.
func (m Measurement) Least() bool { return m.Params == DefaultParams }

// Calibrate looks for parameters whose hash takes as long as target on this
// machine, and tells report each measurement. It starts from DefaultParams and
// never goes below them; it adds memory up to maxMemoryKiB first, because that
// costs an attacker most, and then passes. It ends early with ctx.
func Calibrate(ctx context.Context, target time.Duration, maxMemoryKiB uint32, report func(Measurement)) (Measurement, error) {
	return calibrate(ctx, target, maxMemoryKiB, func(params Params) Measurement {
		measurement := Measurement{params, measure(params)}
		report(measurement)
		return measurement
	})
}

func calibrate(ctx context.Context, target time.Duration, maxMemory uint32, measure func(Params) Measurement) (Measurement, error) {
	best := measure(DefaultParams)
	for _, larger := range []func(Params, float64) Params{
		func(p Params, factor float64) Params {
			p.MemoryKiB = max(DefaultParams.MemoryKiB, min(maxMemory, uint32(float64(p.MemoryKiB)*factor)&^1023))
			return p
		},
		func(p Params, factor float64) Params {
			p.Time = max(DefaultParams.Time, min(maxTime, uint32(float64(p.Time)*factor)))
			return p
		},
	} {
		// The cost is nearly proportional, so that few steps come close.
		for range 4 {
			if err := ctx.Err(); err != nil {
				return Measurement{}, err
			}
			params := larger(best.Params, min(4, float64(target)/float64(best.Took)))
			if params == best.Params {
				break
			}
			best = measure(params)
		}
	}
	return best, nil
}

func measure(params Params) time.Duration {
	took := make([]time.Duration, samples)
	password := domain.NewSecret("measured")
	for i := range took {
		start := time.Now()
		compute(password, make([]byte, saltSize), params, hashSize)
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[samples/2]
}
