package canaljson

import "fmt"

// TextOfBytes returns the text of a binary cell (BINARY, VARBINARY, BLOB):
// each byte is the code point of the same number, as in ISO 8859-1.
func TextOfBytes(value []byte) string {
	runes := make([]rune, len(value))
	for i, b := range value {
		runes[i] = rune(b)
	}
	return string(runes)
}

// BytesOfText returns the bytes of a binary cell. It fails for a text that is
// not one: with a code point above U+00FF, or not UTF-8.
func BytesOfText(text string) ([]byte, error) {
	value := make([]byte, 0, len(text))
	for i, r := range text {
		if r > 0xff {
			return nil, fmt.Errorf("canal-json: no binary cell: byte %d begins the code point %U, above U+00FF", i, r)
		}
		value = append(value, byte(r))
	}
	return value, nil
}
