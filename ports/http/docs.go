package http

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

//go:embed docs.html.tmpl
var docsPage string

// documented is one operation of the page.
type documented struct {
	Method, Path string
	*huma.Operation
}

// registerDocs serves the description of the API as a page that loads nothing
// from anywhere.
func registerDocs(router chi.Router, api huma.API, log *slog.Logger) {
	page := template.Must(template.New("docs").Funcs(template.FuncMap{
		"anchor": func(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] },
	}).Parse(docsPage))
	policy := stylePolicy(docsPage)
	router.Get("/docs", func(w http.ResponseWriter, _ *http.Request) {
		var html bytes.Buffer
		err := page.Execute(&html, map[string]any{
			"Operations": operations(api.OpenAPI()), "Schemas": api.OpenAPI().Components.Schemas.Map(),
		})
		if err != nil {
			log.Error("render docs", "error", err)
			writeProblem(w, log, http.StatusInternalServerError, "the page cannot be made")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		if _, err := w.Write(html.Bytes()); err != nil {
			log.Debug("client left before the answer", "error", err)
		}
	})
}

// stylePolicy returns the policy of a page that has one style of its own and
// loads nothing.
func stylePolicy(page string) string {
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	hash := sha256.Sum256([]byte(style))
	return apiPolicy + "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}

func operations(description *huma.OpenAPI) []documented {
	var all []documented
	for path, item := range description.Paths {
		for method, operation := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
			http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		} {
			if operation != nil {
				all = append(all, documented{method, path, operation})
			}
		}
	}
	slices.SortFunc(all, func(a, b documented) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return all
}
