package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"helfy/canaljson"
)

type messageCommands struct {
	Decode messageDecode `cmd:"" help:"Print Canal-JSON messages, one a file, as JSON lines."`
}

type messageDecode struct {
	Files []string `arg:"" name:"file" help:"Files that hold one message each."`
}

// decoded is the printed line.
type decoded struct {
	File      string        `json:"file"`
	Kind      string        `json:"kind"`
	Database  string        `json:"database"`
	Table     string        `json:"table"`
	Operation string        `json:"operation"`
	Key       canaljson.Row `json:"key"`
	CommitTs  *string       `json:"commitTs"`
	Old       canaljson.Row `json:"old"`
	New       canaljson.Row `json:"new"`
	Query     string        `json:"query,omitempty"`
	Reason    string        `json:"reason,omitempty"`
}

// Run implements the command. It prints every message that can be decoded,
// and its error names the others.
func (m messageDecode) Run(s session) error {
	var faults []error
	out := json.NewEncoder(s.stdout)
	out.SetEscapeHTML(false)
	for _, file := range m.Files {
		line, err := decodeFile(file)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if err := out.Encode(line); err != nil {
			return fmt.Errorf("print %s: %w", file, err)
		}
	}
	return errors.Join(faults...)
}

func decodeFile(file string) (decoded, error) {
	value, err := os.ReadFile(file)
	if err != nil {
		return decoded{}, err // it names the file
	}
	message, err := canaljson.Decode(value)
	if err != nil {
		return decoded{}, fmt.Errorf("%s: %w", file, err)
	}
	line := describe(message)
	line.File = file
	return line, nil
}

func describe(message canaljson.Message) decoded {
	switch m := message.(type) {
	case *canaljson.Change:
		return decoded{
			Kind: "change", Database: m.Database, Table: m.Table, Operation: string(m.Operation),
			Key: m.Key(), CommitTs: tso(m.CommitTs), Old: m.Old, New: m.New,
		}
	case *canaljson.DDL:
		return decoded{
			Kind: "ddl", Database: m.Database, Table: m.Table, Operation: m.Type, CommitTs: tso(m.CommitTs), Query: m.Query,
		}
	case *canaljson.Watermark:
		return decoded{Kind: "watermark", CommitTs: tso(m.Ts)}
	case *canaljson.Unsupported:
		return decoded{
			Kind: "unsupported", Database: m.Database, Table: m.Table, Operation: m.Type, CommitTs: tso(m.CommitTs), Reason: m.Reason,
		}
	default:
		panic(fmt.Sprintf("canaljson gave a %T", message))
	}
}

// tso writes a TSO as text, because JSON readers round numbers of its size.
func tso(ts uint64) *string {
	if ts == 0 {
		return nil
	}
	text := strconv.FormatUint(ts, 10)
	return &text
}
