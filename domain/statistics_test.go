package domain

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsAreAlignedInUTC(t *testing.T) {
	east := time.FixedZone("", 5*60*60+30*60)
	at := time.Date(2026, 11, 23, 3, 59, 59, 999, east) // 22:29 the day before
	if got := Hour.Start(at); !got.Equal(time.Date(2026, 11, 22, 22, 0, 0, 0, time.UTC)) || got.Location() != time.UTC {
		t.Errorf("hour begins at %s", got)
	}
	if got := Day.Start(at); !got.Equal(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("day begins at %s", got)
	}
}

func TestALagIsCountedExactlyOrALittleMore(t *testing.T) {
	for ms, want := range map[int64]int64{
		math.MinInt64: 0, -1: 0, 0: 0, 1: 1, 255: 255, 256: 257, 257: 257, 258: 259, 511: 511, 512: 515, math.MaxInt64: math.MaxInt64,
	} {
		if got := LagCell(ms); got != want {
			t.Errorf("%d ms are counted as %d, want %d", ms, got, want)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		ms := random.Int64() >> random.IntN(63)
		cell := LagCell(ms)
		if cell < ms || cell-ms > ms/128 || LagCell(cell) != cell {
			t.Fatalf("%d ms are counted as %d", ms, cell)
		}
	}
}

func TestAPercentileIsTheNearestRank(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 2, 3, 99, 100, 101, 1000} {
		counts := map[int64]int64{}
		var all []int64
		for range size {
			cell := LagCell(random.Int64N(300))
			counts[cell]++
			all = append(all, cell)
		}
		slices.Sort(all)
		lags := []LagCount{{Cell: 7, Count: 0}}
		for _, cell := range slices.Compact(slices.Clone(all)) {
			lags = append(lags, LagCount{Cell: cell, Count: counts[cell]})
		}
		for _, percent := range []int64{1, 50, 99, 100} {
			rank := int(math.Ceil(float64(percent) * float64(size) / 100))
			if got, ok := LagPercentile(lags, percent); !ok || got != all[rank-1] {
				t.Errorf("%d of %d: got %d, want %d", percent, size, got, all[rank-1])
			}
		}
	}
	if _, ok := LagPercentile(nil, 50); ok {
		t.Error("no events have a percentile")
	}
}
