package tidb

import "testing"

func TestPartIsWhatRunsInADirection(t *testing.T) {
	const script = "-- a comment before\n-- +goose Up\n-- why\nALTER TABLE users\n  ADD COLUMN note TEXT;\n-- +goose StatementBegin\nSELECT '-- +goose';\n" +
		"-- +goose StatementEnd\n\n--+goose DOWN\nALTER TABLE users DROP COLUMN note;\n"
	for direction, want := range map[string]string{
		directionUp:   "-- why\nALTER TABLE users\n  ADD COLUMN note TEXT;\nSELECT '-- +goose';",
		directionDown: "ALTER TABLE users DROP COLUMN note;",
	} {
		if got := part(script, direction); got != want {
			t.Errorf("%s: got %q, want %q", direction, got, want)
		}
	}
	if got := part("-- +goose Up\nSELECT 1;\n", directionDown); got != "" {
		t.Errorf("a script without a way back: got %q", got)
	}
}
