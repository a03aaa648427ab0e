package projection_test

import (
	"testing"

	"helfy/app/projection"
)

func digest(rows ...[]string) projection.Digest {
	var sum projection.Sum
	for _, row := range rows {
		fields := make([][]byte, len(row))
		for i, field := range row {
			if field != "NULL" {
				fields[i] = []byte(field)
			}
		}
		sum.Add(fields...)
	}
	return sum.Digest()
}

func TestADigestDoesNotDependOnTheOrderOfRows(t *testing.T) {
	a, b, c := []string{"1", "x"}, []string{"2", "y"}, []string{"3", ""}
	if digest(a, b, c) != digest(c, a, b) {
		t.Error("the order changes it")
	}
}

func TestADigestTellsRowsApart(t *testing.T) {
	base := digest([]string{"1", "x"}, []string{"2", "y"})
	for name, other := range map[string]projection.Digest{
		"a field changed":     digest([]string{"1", "x"}, []string{"2", "z"}),
		"fields swapped":      digest([]string{"1", "y"}, []string{"2", "x"}),
		"a boundary moved":    digest([]string{"1x", ""}, []string{"2", "y"}),
		"a row missing":       digest([]string{"1", "x"}),
		"a row twice":         digest([]string{"1", "x"}, []string{"1", "x"}, []string{"2", "y"}),
		"a row exchanged":     digest([]string{"1", "x"}, []string{"1", "x"}),
		"NULL for empty text": digest([]string{"1", "x"}, []string{"NULL", "y"}),
	} {
		if other == base {
			t.Errorf("%s: the same digest", name)
		}
	}
	if digest([]string{""}) == digest([]string{"NULL"}) {
		t.Error("NULL and empty text have one digest")
	}
}

func TestASumCarries(t *testing.T) {
	var many projection.Sum
	for range 1000 {
		many.Add([]byte("row"))
	}
	if got := many.Digest(); got.Rows != 1000 || len(got.Sum) != 64 || got.Sum == digest([]string{"row"}).Sum {
		t.Errorf("got %+v", got)
	}
}
