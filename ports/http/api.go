// Package http is how the world reaches the service over HTTP. Errors are
// problem details (RFC 9457).
package http

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	oteltrace "go.opentelemetry.io/otel/trace"

	"helfy/app/command"
	"helfy/app/query"
	"helfy/domain"
	"helfy/web"
)

// Use cases, as the routes need them.
type (
	loginHandler interface {
		Handle(context.Context, command.Login) (command.LoggedIn, error)
	}
	authenticator interface {
		Handle(context.Context, domain.Secret) (query.SignedIn, error)
		Check(context.Context, domain.Secret) (query.SignedIn, error)
		Revoked(context.Context, domain.Secret) (query.SignedIn, error)
	}
	forgeryReporter interface {
		Handle(context.Context, command.ReportForgery) error
	}
	sessionLister interface {
		Handle(context.Context, domain.UserID) ([]domain.Session, error)
	}
	sessionEnder interface {
		Handle(context.Context, command.EndSessions) error
	}
	readRecorder interface {
		Handle(context.Context, command.RecordRead) error
	}
	auditLister interface {
		Handle(ctx context.Context, filter query.AuditFilter, before *query.AuditPosition, limit int) (query.AuditPage, error)
	}
	transactionShower interface {
		Handle(ctx context.Context, commitTs uint64) (query.Transaction, error)
	}
	findingsLister interface {
		Handle(ctx context.Context, filter query.FindingFilter, before *query.FindingPosition, limit int) (query.FindingsPage, error)
	}
	healthChecker interface {
		Handle(context.Context) query.Health
	}
)

// Config is what the API needs.
type Config struct {
	Login           loginHandler
	Authenticate    authenticator
	ReportForgery   forgeryReporter
	ListSessions    sessionLister
	EndSessions     sessionEnder
	RecordRead      readRecorder
	ListAudit       auditLister
	ShowTransaction transactionShower
	ListMessages    messageLister
	ListFindings    findingsLister
	CountLogins     loginCounter
	ListOwnLogins   ownLoginLister
	ShowStatus      statusShower
	Stream          viewerJoiner
	ExportAudit     auditExporter
	ListProjections projectionLister
	Doings          projectionDoer
	ListDeadLetters deadLetterLister
	WaiveDeadLetter deadLetterWaiver
	// Projected are the names of the projections that can have dead letters.
	Projected []string
	Accounts
	Health healthChecker
	// Ready reports whether this process can do its own job.
	Ready query.Probe
	// TrustedProxies are the peers whose X-Forwarded-For and
	// X-Forwarded-Proto are believed.
	TrustedProxies []netip.Prefix
	// Metrics gets the metrics of requests.
	Metrics prometheus.Registerer
	// Tracer makes the spans of requests, nil for none.
	Tracer oteltrace.Tracer
	Log    *slog.Logger
}

const (
	// requestTimeout bounds a request's work, from its first byte.
	requestTimeout = 10 * time.Second
	// maxBody is the greatest size of a request's body in bytes.
	maxBody = 64 << 10
)

// NewHandler returns all routes.
func NewHandler(config Config) http.Handler {
	router := chi.NewRouter()
	router.Use(
		withMetrics(config.Metrics),
		withTraces(config.Tracer),
		withScheme(config.TrustedProxies),
		withHeaders,
		withRequestID,
		withClientIP(config.TrustedProxies),
		withRecovery(config.Log),
		withTimeout,
		withSameOrigin(config.Log),
	)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		if wantsPage(r) { // which says so, and leads on
			sendDocument(w, r, config, web.Shell, http.StatusNotFound)
			return
		}
		writeProblem(w, config.Log, http.StatusNotFound, "no such path")
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		for _, method := range methods {
			if router.Match(chi.NewRouteContext(), method, r.URL.Path) {
				w.Header().Add("Allow", method)
			}
		}
		writeProblem(w, config.Log, http.StatusMethodNotAllowed, "the path does not take this method")
	})

	settings := huma.DefaultConfig("Helfy", "1")
	settings.DocsPath = "" // it would load from another host
	settings.SchemasPath = ""
	settings.CreateHooks = nil // answers carry no $schema
	settings.RejectUnknownQueryParameters = true
	settings.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	settings.OnAddOperation = append(settings.OnAddOperation, documentBadRequest, documentBody)
	api := humachi.New(router, settings)

	registerLogin(api, config)
	registerSessions(api, config)
	registerUsers(api, config)
	registerPasswords(api, config)
	registerAudit(api, config)
	registerTransaction(api, config)
	registerMessages(api, config)
	registerFindings(api, config)
	registerStatistics(api, config)
	registerOwnLogins(api, config)
	registerStatus(api, config)
	registerStream(api, config)
	registerExport(api, config)
	registerProjections(api, config)
	registerDeadLetters(api, config)
	registerHealth(api, config)
	registerDocs(router, api, config.Log)
	registerPages(router, config)
	return router
}
