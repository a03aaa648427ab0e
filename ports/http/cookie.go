package http

import (
	"context"
	"net/http"
	"time"

	"helfy/domain"
)

// The names of the session's cookie. A browser takes the first only over TLS,
// from this host and for the whole of it, so that no other host can plant it:
// https://www.rfc-editor.org/rfc/rfc6265bis#section-4.1.3.2
const (
	hostCookie  = "__Host-helfy_session"
	plainCookie = "helfy_session"
)

// sessionCookie returns a cookie that holds the token of a session until it
// expires.
func sessionCookie(ctx context.Context, token domain.Secret, expires time.Time) http.Cookie {
	cookie := emptyCookie(ctx)
	cookie.Value = token.Reveal()
	cookie.MaxAge = max(1, int(time.Until(expires).Seconds()))
	return cookie
}

// emptyCookie returns the cookie that makes a browser forget the session's.
func emptyCookie(ctx context.Context) http.Cookie {
	cookie := http.Cookie{
		Name: plainCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if overTLS(ctx) {
		cookie.Name, cookie.Secure = hostCookie, true
	}
	return cookie
}
