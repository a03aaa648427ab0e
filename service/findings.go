package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"helfy/adapters/tidb"
	"helfy/app/query"
	"helfy/domain"
)

// Findings calls visit for each finding, the newest commit first, until it
// returns an error. It returns the TSO up to which the log is verified.
func (c Config) Findings(ctx context.Context, visit func(query.Finding) error) (through uint64, err error) {
	db, err := tidb.Open(c.tidb())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	list := query.ListFindings{Findings: c.auditLog(db)}
	var before *query.FindingPosition
	for {
		page, err := list.Handle(ctx, query.FindingFilter{}, before, query.MaxAuditPage)
		if err != nil {
			return 0, err
		}
		if before == nil {
			through = page.VerifiedThrough
		}
		for _, found := range page.Findings {
			if err := visit(found); err != nil {
				return 0, err
			}
		}
		if before = page.Next; before == nil {
			return through, nil
		}
	}
}

// countTimeout bounds how long a scrape waits for the findings.
const countTimeout = 2 * time.Second

// findingsGauge tells at each scrape how many findings there are, and how far
// the log is verified. When the database does not answer, it tells nothing.
type findingsGauge struct {
	audit      tidb.AuditLog
	log        *slog.Logger
	count, age *prometheus.Desc
}

func newFindingsGauge(audit tidb.AuditLog, log *slog.Logger) findingsGauge {
	return findingsGauge{audit: audit, log: log, count: prometheus.NewDesc("helfy_audit_findings",
		"Findings in the audit log by kind, the same for every process.", []string{"kind"}, nil),
		age: prometheus.NewDesc("helfy_audit_verified_age_seconds",
			"How long ago the moment is up to which the audit log is verified, the same for every process.", nil, nil)}
}

// Describe implements prometheus.Collector.
func (g findingsGauge) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- g.count
	descriptions <- g.age
}

// Collect implements prometheus.Collector.
func (g findingsGauge) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	// Read first: it must not promise more than the findings counted after it.
	through, err := g.audit.VerifiedThrough(ctx)
	if err != nil {
		g.log.Warn("cannot tell how far the audit log is verified", "error", err)
		return
	}
	counts, err := g.audit.CountFindings(ctx)
	if err != nil {
		g.log.Warn("cannot tell the number of findings", "error", err)
		return
	}
	if age := secondsSince(through); age != nil {
		metrics <- prometheus.MustNewConstMetric(g.age, prometheus.GaugeValue, *age)
	}
	for _, kind := range domain.FindingKinds {
		metrics <- prometheus.MustNewConstMetric(g.count, prometheus.GaugeValue, float64(counts[kind]), string(kind))
	}
}
