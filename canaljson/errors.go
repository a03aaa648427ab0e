package canaljson

import (
	"fmt"
	"strconv"
	"strings"
)

// DecodeError says what is wrong with a message and where. It never holds a
// cell's value, so it may be logged.
type DecodeError struct {
	// Offset is the byte of the value at which the fault is, from 0.
	Offset int
	// Path leads to the member, such as "data[0].username". It is empty for a
	// fault of the message as a whole.
	Path string
	// Reason says what is wrong.
	Reason string
}

func (e *DecodeError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("canal-json: byte %d: %s", e.Offset, e.Reason)
	}
	return fmt.Sprintf("canal-json: %s: byte %d: %s", e.Path, e.Offset, e.Reason)
}

// prepend puts the step that leads to the path so far in front of it.
func (e *DecodeError) prepend(step string) {
	if e.Path != "" && e.Path[0] != '[' {
		step += "."
	}
	e.Path = step + e.Path
}

// pathStep writes a member's name for a path. Names come from the message, so
// whatever could confuse a reader of the path is quoted, and long ones are cut.
func pathStep(name string) string {
	const longest = 64
	if len(name) > longest {
		return "[" + strconv.Quote(strings.ToValidUTF8(name[:longest], "")+"…") + "]"
	}
	plain := func(r rune) bool {
		return r == '_' || r == '$' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return "[" + strconv.Quote(name) + "]"
	}
	return name
}
