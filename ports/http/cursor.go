package http

import (
	"encoding/base64"
	"encoding/json"

	"helfy/app/query"
)

func formatCursor(position *query.AuditPosition) *string {
	if position == nil {
		return nil
	}
	text, err := json.Marshal(position)
	if err != nil {
		panic(err) // a struct of numbers and strings has a JSON form
	}
	cursor := base64.RawURLEncoding.EncodeToString(text)
	return &cursor
}

func parseCursor(cursor string) (*query.AuditPosition, error) {
	if cursor == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, err
	}
	var position query.AuditPosition
	if err := json.Unmarshal(text, &position); err != nil {
		return nil, err
	}
	return &position, nil
}
