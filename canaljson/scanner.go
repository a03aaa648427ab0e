package canaljson

import (
	"strconv"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) in one pass, value by value, as the caller
// asks for them. The first fault stays in err; what is read after it means
// nothing.
type scanner struct {
	in  []byte
	pos int
	err *DecodeError
	// invalid is the offset of the first byte that is not UTF-8, or len(in).
	invalid int
	// copied is in as a string, made when the first string is kept: all
	// strings of a message share this one allocation.
	copied  string
	scratch []byte
}

func newScanner(in []byte) scanner {
	s := scanner{in: in, invalid: len(in)}
	if !utf8.Valid(in) {
		for i := 0; i < len(in); {
			r, size := utf8.DecodeRune(in[i:])
			if r == utf8.RuneError && size == 1 {
				s.invalid = i
				break
			}
			i += size
		}
	}
	return s
}

func (s *scanner) fail(at int, reason string) {
	if s.err == nil {
		s.err = &DecodeError{Offset: at, Reason: reason}
	}
}

// expected fails because the next byte does not begin what is wanted.
func (s *scanner) expected(want string) {
	s.fail(s.pos, "expected "+want+", found "+s.found())
}

func (s *scanner) found() string {
	if s.pos >= len(s.in) {
		return "the end"
	}
	switch c := s.in[s.pos]; {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '-' || isDigit(c):
		return "a number"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c < utf8.RuneSelf:
		return strconv.QuoteRune(rune(c))
	default:
		return "byte 0x" + strconv.FormatUint(uint64(c), 16)
	}
}

// next skips white space and returns the byte behind it, 0 at the end.
func (s *scanner) next() byte {
	for s.pos < len(s.in) {
		switch c := s.in[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) punctuation(c byte) bool {
	if s.next() != c {
		s.expected(strconv.QuoteRune(rune(c)))
		return false
	}
	s.pos++
	return true
}

// members reads an object. each must read the value of the member it is given.
func (s *scanner) members(each func(name token)) {
	if s.next() != '{' {
		s.expected("an object")
		return
	}
	s.pos++
	if s.next() == '}' {
		s.pos++
		return
	}
	for {
		s.next()
		at := s.pos
		name := s.string()
		if s.err != nil || !s.punctuation(':') {
			return
		}
		s.next()
		each(name)
		if s.err != nil {
			named := scanner{in: s.in, pos: at, invalid: s.invalid}
			s.err.prepend(pathStep(string(named.string().raw)))
			return
		}
		if s.next() != ',' {
			s.punctuation('}')
			return
		}
		s.pos++
	}
}

// elements reads an array. each must read the element whose index it is given.
func (s *scanner) elements(each func(i int)) {
	if s.next() != '[' {
		s.expected("an array")
		return
	}
	s.pos++
	if s.next() == ']' {
		s.pos++
		return
	}
	for i := 0; ; i++ {
		s.next()
		each(i)
		if s.err != nil {
			s.err.prepend("[" + strconv.Itoa(i) + "]")
			return
		}
		if s.next() != ',' {
			s.punctuation(']')
			return
		}
		s.pos++
	}
}
