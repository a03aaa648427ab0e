package http

import (
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"helfy/app/query"
	"helfy/domain"
)

const idempotencyHeader = "Idempotency-Key"

var idempotencyKeyForm = regexp.MustCompile(`^[\x20-\x7e]{1,255}$`)

// IdempotentInput is embedded in the input of every operation that may be sent
// again without being done again, as in
// https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
// It is exported because huma reads exported fields only.
type IdempotentInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"1 to 255 printable characters: within a day, the same request with the same key is answered again and not done again"`

	method, path string
}

// Resolve implements huma.Resolver.
func (i *IdempotentInput) Resolve(ctx huma.Context) []error {
	r, _ := humachi.Unwrap(ctx)
	i.method, i.path = r.Method, r.URL.Path
	keys := r.Header.Values(idempotencyHeader)
	if len(keys) == 0 || len(keys) == 1 && idempotencyKeyForm.MatchString(keys[0]) {
		return nil
	}
	return []error{&huma.ErrorDetail{Message: "want one of 1 to 255 printable ASCII characters", Location: "header." + idempotencyHeader}}
}

// request returns what is recognised when it comes again.
func (i *IdempotentInput) request(by query.SignedIn, body []byte) domain.Request {
	return domain.Request{
		Actor: by.UserID, Key: i.IdempotencyKey, Method: i.method, Path: i.path, Body: domain.NewSecret(string(body)),
	}
}

// unprocessable answers 422, which huma.NewError would make a 400.
func unprocessable(detail string) error {
	const status = http.StatusUnprocessableEntity
	return &huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}
}

// documentBody takes the raw body out of the description, where huma adds it
// to the one that is taken apart.
func documentBody(_ *huma.OpenAPI, operation *huma.Operation) {
	if body := operation.RequestBody; body != nil && body.Content["application/json"] != nil {
		delete(body.Content, "application/octet-stream")
	}
}
