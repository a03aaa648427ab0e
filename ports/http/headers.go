package http

import (
	"log/slog"
	"net/http"
)

// noStore keeps answers out of caches.
const noStore = "no-store"

// apiPolicy lets a browser do nothing at all with an answer that is data. A
// page sets a policy of its own.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// hsts lasts a year. It does not speak for subdomains, which may be another's.
const hsts = "max-age=31536000"

// withHeaders sets the headers that every answer has, errors included. What is
// meant for caches says so itself.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", apiPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		header.Set("Cache-Control", noStore)
		if overTLS(r.Context()) {
			header.Set("Strict-Transport-Security", hsts)
		}
		next.ServeHTTP(w, r)
	})
}

// withSameOrigin refuses requests that change something and that a browser
// sends for a page of another origin. Programs, which send neither Origin nor
// Sec-Fetch-Site, pass.
func withSameOrigin(log *slog.Logger) func(http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, log, http.StatusForbidden, "a page of another origin must not do this")
	}))
	return protection.Handler
}
