package domain

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that must not be shown: a password, a token, a key. Every
// way of printing, logging or marshalling it gives a placeholder; only Reveal
// gives the text. The zero value is the empty secret.
type Secret struct {
	// A pointer, because fmt prints the contents of unexported fields but
	// only the address of what they point to.
	text *string
}

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsEmpty reports whether the text is empty.
func (s Secret) IsEmpty() bool { return s.Reveal() == "" }

// String implements fmt.Stringer with a placeholder.
func (s Secret) String() string { return redacted }

// Format implements fmt.Formatter with a placeholder for every verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// MarshalText implements encoding.TextMarshaler, and so JSON, with a
// placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText wraps text, so that configuration and requests can fill a
// Secret directly.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// LogValue implements slog.LogValuer with a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
