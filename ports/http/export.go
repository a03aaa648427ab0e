package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"helfy/app/query"
)

type auditExporter interface {
	Handle(context.Context, query.AuditFilter) (*query.Export, error)
}

const (
	// exportWrite is how long a client may leave a page of an export unread,
	// once all buffers between are full.
	exportWrite = 30 * time.Second
	// exportRecheck is how often the session of who exports is looked at.
	exportRecheck = 20 * time.Second
)

type exportInput struct {
	AuthInput
	AuditFilterInput
	AuditTimesInput
	Format string `query:"format" enum:"csv,jsonl,ocsf" default:"csv" doc:"csv for a spreadsheet, jsonl for a program (a line each, as in GET /api/audit), ocsf for a SIEM (a line each)"`
}

const exportDescription = `Everything that the filters choose, newest first, up to the newest entry at the beginning. It is sent as it is read; a transfer that breaks off ends without the end of a chunked body, which every client reports. X-Complete-Through says up to when the log was complete. Cells of csv that a spreadsheet would take for a formula begin with an apostrophe.`

func registerExport(api huma.API, config Config) {
	content := map[string]*huma.MediaType{}
	for _, format := range exportFormats {
		content[format.contentType] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	huma.Register(api, huma.Operation{
		OperationID: "export-audit", Method: http.MethodGet, Path: "/api/audit/export",
		Summary: "Export the audit log", Description: exportDescription,
		Errors:    []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
		Responses: map[string]*huma.Response{"200": {Description: "The entries", Content: content}},
	}, func(ctx context.Context, input *exportInput) (*huma.StreamResponse, error) {
		reader, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		filter, fault := input.bound(input.filter())
		if fault != nil {
			return nil, huma.Error400BadRequest("validation failed", fault)
		}
		if err := recordReading(ctx, config, reader, "GET /api/audit/export", input.recorded()); err != nil {
			return nil, err
		}
		export, err := config.ExportAudit.Handle(ctx, filter)
		if errors.Is(err, query.ErrExports) {
			return nil, huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(err.Error()), http.Header{"Retry-After": {retryLaterSeconds}})
		}
		if err != nil {
			return nil, unavailable(ctx, config.Log, "export the audit log", err)
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer export.Close()
			r, w := humachi.Unwrap(ctx)
			sending := exportStream{
				w: w, control: http.NewResponseController(w), export: export, format: exportFormats[input.Format],
				allowed: func(ctx context.Context) error { _, err := input.requireAdmin(ctx, config); return err },
			}
			if err := sending.run(untimed(r.Context())); err != nil {
				config.Log.WarnContext(r.Context(), "an export has broken off", "error", err, "requestId", originOf(r.Context()).RequestID)
				// The client must not take what it has for the whole.
				panic(http.ErrAbortHandler)
			}
		}}, nil
	})
}

// exportStream sends an export to a client.
type exportStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	export  *query.Export
	format  exportFormat
	allowed func(context.Context) error
}

// run sends all of it. ctx ends when the client leaves.
func (s exportStream) run(ctx context.Context) error {
	header := s.w.Header()
	header.Set("Content-Type", s.format.contentType)
	header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="helfy-audit-%s.%s"`, time.Now().UTC().Format("20060102T150405Z"), s.format.extension))
	header.Set("X-Accel-Buffering", "no") // nginx
	if through := query.CompleteThroughTime(s.export.CompleteThrough); through != nil {
		header.Set("X-Complete-Through", through.Format(time.RFC3339Nano))
	}
	// The bound of reading a request must not end what follows it.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift the deadline: %w", err)
	}
	out, checked := s.format.open(s.w), time.Now()
	for {
		page, err := s.export.Next(ctx)
		if err != nil {
			return err
		}
		if err := s.control.SetWriteDeadline(time.Now().Add(exportWrite)); err != nil {
			return fmt.Errorf("set the deadline: %w", err)
		}
		if err := out.write(page); err != nil {
			return fmt.Errorf("send a page: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		if time.Since(checked) > exportRecheck {
			if err := s.allowed(ctx); err != nil {
				return fmt.Errorf("the session has ended: %w", err)
			}
			checked = time.Now()
		}
	}
}
