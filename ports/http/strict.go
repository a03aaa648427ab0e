package http

import (
	"errors"
	"io"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strictJSON is the format of bodies: what two readers could understand in
// two ways is refused, that is a member that stands twice or in other letter
// case, text that is not UTF-8, and anything behind the value.
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(body []byte, value any) error {
		if err := json.Unmarshal(body, value); err != nil {
			return hideCause(err)
		}
		return nil
	},
}

// hideCause keeps what the client sent out of the error.
func hideCause(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("a member stands twice")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON value is cut off")
	case errors.As(err, &syntax):
		return errors.New("not one JSON value in UTF-8")
	default:
		return errors.New("a member has the wrong type")
	}
}
