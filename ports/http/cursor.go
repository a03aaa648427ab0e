package http

import (
	"encoding/base64"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// formatCursor writes a position, whose members must have a JSON form.
func formatCursor[P any](position *P) *string {
	if position == nil {
		return nil
	}
	text, err := json.Marshal(position)
	if err != nil {
		panic(err)
	}
	cursor := base64.RawURLEncoding.EncodeToString(text)
	return &cursor
}

func parseCursor[P any](cursor string) (*P, error) {
	if cursor == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, err
	}
	var position P
	if err := json.Unmarshal(text, &position); err != nil {
		return nil, err
	}
	return &position, nil
}

// badCursor is the answer to a cursor that cannot be read.
func badCursor() error {
	return huma.Error400BadRequest("validation failed", &huma.ErrorDetail{
		Message: "not one that this service gave", Location: "query.cursor",
	})
}
