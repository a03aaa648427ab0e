package http

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// withScheme finds out whether the client speaks TLS: to this process, or to a
// trusted proxy, which says so in X-Forwarded-Proto.
func withScheme(trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			secure := r.TLS != nil || isTrusted(r.RemoteAddr, trusted) && forwardedProto(r) == "https"
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), schemeKey, secure)))
		})
	}
}

// overTLS reports whether the client of a request's context speaks TLS.
func overTLS(ctx context.Context) bool {
	secure, _ := ctx.Value(schemeKey).(bool)
	return secure
}

func isTrusted(peer string, trusted []netip.Prefix) bool {
	address, err := netip.ParseAddrPort(peer)
	return err == nil && slices.ContainsFunc(trusted, func(prefix netip.Prefix) bool {
		return prefix.Contains(address.Addr().Unmap())
	})
}

// forwardedProto returns what the nearest proxy has written: it appends to
// what the client may have sent.
func forwardedProto(r *http.Request) string {
	values := r.Header.Values("X-Forwarded-Proto")
	if len(values) == 0 {
		return ""
	}
	list := values[len(values)-1]
	return strings.ToLower(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]))
}
