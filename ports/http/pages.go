package http

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"helfy/domain"
	"helfy/web"
)

// pages are those for who is signed in, and whether they are for the role
// admin only. web/assets/js/routes.js has the same list.
var pages = map[string]bool{
	"/dashboard":               false,
	"/me":                      false,
	"/trail":                   true,
	"/transactions/{commitTs}": true,
	"/patterns":                true,
	"/users":                   true,
	"/projections":             true,
}

const (
	signInPath = "/"
	// homePath is where a sign-in leads that was on no way to another page.
	homePath = "/dashboard"
)

// registerPages serves the page to browsers.
func registerPages(router chi.Router, config Config) {
	router.Get(signInPath, func(w http.ResponseWriter, r *http.Request) {
		user, err := pageAuth(r).identified(r.Context(), config)
		if err == nil && !user.MustChangePassword {
			http.Redirect(w, r, followable(r.URL.Query().Get("next")), http.StatusSeeOther)
			return
		}
		if query := r.URL.Query(); err != nil && fromElsewhere(r) && !query.Has(again) {
			toSignIn(w, r, query)
			return
		}
		// Whether somebody is signed in does not matter to whoever signs in.
		sendDocument(w, r, config, web.SignIn, http.StatusOK)
	})
	for pattern, forAdmins := range pages {
		router.Get(pattern, func(w http.ResponseWriter, r *http.Request) {
			user, err := pageAuth(r).identified(r.Context(), config)
			switch {
			case isStatus(err, http.StatusUnauthorized):
				toSignIn(w, r, url.Values{"next": {r.URL.RequestURI()}})
			case err == nil && user.MustChangePassword:
				toSignIn(w, r, url.Values{"next": {r.URL.RequestURI()}, "step": {"password"}})
			case err != nil: // the page says so itself, and tries again
				sendDocument(w, r, config, web.Shell, http.StatusServiceUnavailable)
			case forAdmins && user.Role != domain.RoleAdmin:
				sendDocument(w, r, config, web.Shell, http.StatusForbidden)
			default:
				sendDocument(w, r, config, web.Shell, http.StatusOK)
			}
		})
	}
	router.Get("/assets/*", func(w http.ResponseWriter, r *http.Request) {
		if !web.ServeAsset(w, r) {
			writeProblem(w, config.Log, http.StatusNotFound, "no such asset")
		}
	})
}

// pageAuth reads what huma reads for the API.
func pageAuth(r *http.Request) AuthInput {
	value := func(name string) string {
		cookie, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return cookie.Value
	}
	return AuthInput{
		Authorization: r.Header.Get("Authorization"), HostCookie: value(hostCookie), PlainCookie: value(plainCookie),
	}
}

func isStatus(err error, status int) bool {
	var problem huma.StatusError
	return errors.As(err, &problem) && problem.GetStatus() == status
}

// again lets the sign-in ask once more, by itself: see fromElsewhere.
const again = "again"

// fromElsewhere reports whether a link on another site leads here. The browser
// keeps the session's cookie, which is strict, out of such a request.
func fromElsewhere(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Site") == "cross-site" }

// toSignIn sends a browser to sign in.
func toSignIn(w http.ResponseWriter, r *http.Request, query url.Values) {
	if fromElsewhere(r) {
		query.Set(again, "1")
	}
	http.Redirect(w, r, signInPath+"?"+query.Encode(), http.StatusSeeOther)
}

// followable returns next if it is one of the pages, else homePath: a link to
// the sign-in must not lead to another site.
func followable(next string) string {
	target, err := url.Parse(next)
	if err != nil || target.IsAbs() || target.Host != "" || target.Opaque != "" {
		return homePath
	}
	detail := strings.HasPrefix(target.Path, "/transactions/")
	if _, ok := pages[target.Path]; !ok && !detail {
		return homePath
	}
	return target.RequestURI()
}

// wantsPage reports whether a browser asks for a path as for a page, and not
// for a program.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") &&
		!strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/assets/")
}

func sendDocument(w http.ResponseWriter, r *http.Request, config Config, name string, status int) {
	if err := web.WriteDocument(w, r, name, status); err != nil {
		config.Log.DebugContext(r.Context(), "client left before the answer", "error", err)
	}
}
