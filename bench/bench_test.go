package main

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
)

func TestEveryMeasurementRunsSmall(t *testing.T) {
	for _, m := range measurements {
		t.Run(m.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			r := &run{TB: t, ctx: ctx, name: m.name, small: true, largest: 2000, say: func(text string) { t.Log(text) }}
			m.run(r)
			if len(r.lines) == 0 {
				t.Error("it has no line in the table")
			}
			for _, l := range r.lines {
				if l.Case == "" || l.Unit == "" || math.IsNaN(l.Value) || math.IsInf(l.Value, 0) || math.IsNaN(l.Ratio) || math.IsInf(l.Ratio, 0) {
					t.Errorf("malformed line %+v", l)
				}
			}
		})
	}
}

func TestTheTableShowsEachFigureWithItsRatio(t *testing.T) {
	var text strings.Builder
	lines := []line{
		line{Measurement: "rebuild", Case: "rows", Value: 1500, Unit: "/s"}.beside("reading only", 3000).aim("ratio 0.8"),
		{Measurement: "login", Case: "p99", Value: 1.25, Unit: "ms"},
	}
	if err := writeTable(&text, lines); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| rebuild ", "| 1500 /s ", "| 0.50 ", "| reading only: 3000 /s ", "| ratio 0.8 ", "| 1.25 ms "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("want %q in\n%s", want, text.String())
		}
	}
}

func TestPercentilesAreOfWhatWasMeasured(t *testing.T) {
	var took times
	for i := range 100 {
		took = append(took, time.Duration(100-i)*time.Millisecond)
	}
	for p, want := range map[float64]float64{0: 1, 50: 51, 99: 100, 100: 100} {
		if got := took.percentile(p); got != want {
			t.Errorf("p%v is %v ms, want %v", p, got, want)
		}
	}
	if got := (times{}).percentile(99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
