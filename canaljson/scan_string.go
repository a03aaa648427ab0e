package canaljson

import (
	"unicode/utf16"
	"unicode/utf8"
)

// token is the content of a JSON string.
type token struct {
	raw   []byte // the unescaped bytes, valid until the next string is read
	start int    // the offset of the first byte behind the opening quote
	plain bool   // raw is in[start:start+len(raw)]: there was no escape
}

// endsOrEscapes are the bytes at which a run of ordinary bytes in a string ends.
var endsOrEscapes = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

func (s *scanner) string() token {
	if s.next() != '"' {
		s.expected("a string")
		return token{}
	}
	start := s.pos + 1
	i := s.run(start)
	if i == len(s.in) || s.in[i] != '"' {
		return s.escaped(start, i)
	}
	s.endString(i)
	return token{raw: s.in[start:i], start: start, plain: true}
}

func (s *scanner) run(i int) int {
	for i < len(s.in) && !endsOrEscapes[s.in[i]] {
		i++
	}
	return i
}

func (s *scanner) endString(quote int) {
	if s.invalid < quote {
		s.fail(s.invalid, "invalid UTF-8")
	}
	s.pos = quote + 1
}

// escaped reads on in a string from its first byte that is not ordinary.
func (s *scanner) escaped(start, i int) token {
	s.scratch = append(s.scratch[:0], s.in[start:i]...)
	for s.err == nil {
		switch {
		case i >= len(s.in):
			s.fail(len(s.in), "the string does not end")
		case s.in[i] == '"':
			s.endString(i)
			return token{raw: s.scratch, start: start}
		case s.in[i] == '\\':
			i = s.escape(i)
		default:
			s.fail(i, "unescaped control character in a string")
		}
		end := s.run(i)
		s.scratch = append(s.scratch, s.in[i:end]...)
		i = end
	}
	return token{}
}

// escape appends what the escape sequence at i stands for and returns the
// offset behind the sequence.
func (s *scanner) escape(i int) int {
	var c byte
	if i+1 < len(s.in) {
		c = s.in[i+1]
	}
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, size := s.codePoint(i)
		s.scratch = utf8.AppendRune(s.scratch, r)
		return i + size
	default:
		s.fail(i, "invalid escape sequence")
		return i
	}
	s.scratch = append(s.scratch, c)
	return i + 2
}

// codePoint reads \uXXXX, or two of them that make a surrogate pair.
func (s *scanner) codePoint(i int) (r rune, size int) {
	r = s.hex(i)
	if r < 0 {
		s.fail(i, "invalid escape sequence")
		return utf8.RuneError, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	r = utf16.DecodeRune(r, s.hex(i+6))
	if r == utf8.RuneError {
		s.fail(i, "half of a surrogate pair")
		return r, 0
	}
	return r, 12
}

// hex reads \uXXXX at i, or returns -1.
func (s *scanner) hex(i int) rune {
	if i+6 > len(s.in) || s.in[i] != '\\' || s.in[i+1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range s.in[i+2 : i+6] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// keep returns the token's text for good.
func (s *scanner) keep(t token) string {
	if !t.plain || len(t.raw) == 0 {
		return string(t.raw)
	}
	if s.copied == "" {
		s.copied = string(s.in)
	}
	return s.copied[t.start : t.start+len(t.raw)]
}

func (s *scanner) text() string { return s.keep(s.string()) }
