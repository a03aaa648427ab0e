package canaljson

import "math"

// maxDepth bounds the nesting of members that Decode skips, and so the stack.
const maxDepth = 32

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// skip reads a value of any type, nested at most depth levels.
func (s *scanner) skip(depth int) {
	c := s.next()
	if (c == '{' || c == '[') && depth == 0 {
		s.fail(s.pos, "nested too deep")
		return
	}
	switch {
	case c == '{':
		s.members(func(token) { s.skip(depth - 1) })
	case c == '[':
		s.elements(func(int) { s.skip(depth - 1) })
	case c == '"':
		s.string()
	case c == '-' || isDigit(c):
		s.number()
	case !s.literal("null") && !s.literal("true") && !s.literal("false"):
		s.expected("a value")
	}
}

// literal reads word if it comes next.
func (s *scanner) literal(word string) bool {
	s.next()
	if len(s.in)-s.pos < len(word) || string(s.in[s.pos:s.pos+len(word)]) != word {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *scanner) null() bool { return s.next() == 'n' && s.literal("null") }

func (s *scanner) boolean() bool {
	if s.literal("true") {
		return true
	}
	if !s.literal("false") {
		s.expected("a boolean")
	}
	return false
}

// number reads any number.
func (s *scanner) number() {
	if s.in[s.pos] == '-' {
		s.pos++
	}
	zero := s.pos
	s.digits()
	if s.err == nil && s.in[zero] == '0' && s.pos > zero+1 {
		s.fail(zero, "a number with a leading zero")
	}
	if s.pos < len(s.in) && s.in[s.pos] == '.' {
		s.pos++
		s.digits()
	}
	if s.pos < len(s.in) && (s.in[s.pos] == 'e' || s.in[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.in) && (s.in[s.pos] == '+' || s.in[s.pos] == '-') {
			s.pos++
		}
		s.digits()
	}
}

func (s *scanner) digits() {
	start := s.pos
	for s.pos < len(s.in) && isDigit(s.in[s.pos]) {
		s.pos++
	}
	if s.pos == start {
		s.expected("a digit")
	}
}

// integer reads a whole number of -least to most. A fraction or exponent is an
// error, also where its value is whole: TiCDC writes neither, and through a
// float a TSO would lose digits.
func (s *scanner) integer(least, most uint64) (magnitude uint64, negative bool) {
	c := s.next()
	if c != '-' && !isDigit(c) {
		s.expected("a number")
		return 0, false
	}
	start := s.pos
	s.number()
	if s.err != nil {
		return 0, false
	}
	digits, limit := s.in[start:s.pos], most
	if c == '-' {
		digits, limit, negative = digits[1:], least, true
	}
	for _, digit := range digits {
		if !isDigit(digit) {
			s.fail(start, "expected a whole number")
			return 0, false
		}
		n := uint64(digit - '0')
		if magnitude > (limit-min(n, limit))/10 || n > limit {
			s.fail(start, "number out of range")
			return 0, false
		}
		magnitude = magnitude*10 + n
	}
	return magnitude, negative
}

func (s *scanner) uint64() uint64 {
	n, _ := s.integer(0, math.MaxUint64)
	return n
}

func (s *scanner) int64() int64 {
	n, negative := s.integer(-math.MinInt64, math.MaxInt64)
	if negative {
		return -int64(n)
	}
	return int64(n)
}

func (s *scanner) int32() int {
	n, negative := s.integer(-math.MinInt32, math.MaxInt32)
	if negative {
		return -int(n)
	}
	return int(n)
}
