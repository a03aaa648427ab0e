package service_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/web"
)

// bySession are the headers of a browser that is signed in.
func bySession(cookie *http.Cookie) map[string]string {
	return map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
}

func TestASignedOutVisitorSignsInAndComesBack(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	const asked = "/trail?user=J%C3%BCrgen+M&from=2026-11-22T10:00:00Z"
	response, _ := send(t, client, http.MethodGet, asked, "", nil)
	at := response.Header.Get("Location")
	if response.StatusCode != http.StatusSeeOther || !strings.HasPrefix(at, "/?next=") {
		t.Fatalf("status %d, to %q", response.StatusCode, at)
	}
	form, page := send(t, client, http.MethodGet, at, "", nil)
	if form.StatusCode != http.StatusOK || form.Header.Get("Content-Security-Policy") != web.Policy || !strings.Contains(string(page), `id="signin"`) {
		t.Fatalf("status %d, policy %q: want the sign-in", form.StatusCode, form.Header.Get("Content-Security-Policy"))
	}
	back, _ := send(t, client, http.MethodGet, at, "", bySession(cookieLogin(t, client, nil)))
	if got := back.Header.Get("Location"); back.StatusCode != http.StatusSeeOther || got != asked {
		t.Errorf("status %d, to %q, want %q", back.StatusCode, got, asked)
	}
}

func TestALinkOnAnotherSiteAsksForTheStrictCookieOnceMore(t *testing.T) {
	client := stack.Serve(t, stack.New(t))
	elsewhere := map[string]string{"Sec-Fetch-Site": "cross-site"}
	for path, want := range map[string]string{
		"/me":            "/?again=1&next=%2Fme",
		"/":              "/?again=1",
		"/?next=%2Fme":   "/?again=1&next=%2Fme",
		"/?again=1":      "",
		"/?again=&next=": "",
	} {
		response, _ := send(t, client, http.MethodGet, path, "", elsewhere)
		if got := response.Header.Get("Location"); got != want || (want == "") != (response.StatusCode == http.StatusOK) {
			t.Errorf("%s: status %d, to %q, want %q", path, response.StatusCode, got, want)
		}
	}
	if response, _ := send(t, client, http.MethodGet, "/", "", map[string]string{"Sec-Fetch-Site": "same-origin"}); response.StatusCode != http.StatusOK {
		t.Errorf("status %d: want the sign-in", response.StatusCode)
	}
}

func TestTheSignInLeadsToNoOtherSite(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	session := bySession(cookieLogin(t, client, nil))
	for next, want := range map[string]string{
		"":                            "/dashboard",
		"/users?cursor=x":             "/users?cursor=x",
		"/transactions/1":             "/transactions/1",
		"https://evil.example/":       "/dashboard",
		"//evil.example":              "/dashboard",
		"//evil.example/dashboard":    "/dashboard",
		"///evil.example/dashboard":   "/dashboard",
		`/\evil.example`:              "/dashboard",
		`\\evil.example`:              "/dashboard",
		"/\t/evil.example":            "/dashboard",
		"\n//evil.example":            "/dashboard",
		"javascript:alert(1)":         "/dashboard",
		"/transactions/\r\nX-Evil: 1": "/dashboard",
		`/transactions/\evil.example`: "/transactions/%5Cevil.example",
		"/api/logout":                 "/dashboard",
		"/?next=/dashboard":           "/dashboard",
		"dashboard":                   "/dashboard",
		"/dashboard\x00":              "/dashboard",
		"/%2f/evil.example":           "/dashboard",
		"/trail#fragment":             "/trail",
		"mailto:somebody@example.com": "/dashboard",
		"//admin:admin@127.0.0.1/me":  "/dashboard",
		strings.Repeat("/", 300):      "/dashboard",
	} {
		response, _ := send(t, client, http.MethodGet, "/?next="+url.QueryEscape(next), "", session)
		if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("%q leads with %d to %q, want %q", next, response.StatusCode, got, want)
		}
	}
}

func TestWhoMustChangeThePasswordIsSentToDoSo(t *testing.T) {
	config := stack.New(t)
	id := stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	stack.AddUser(t, config, "boss", domain.RoleAdmin)
	if response, body, err := client.Do(t.Context(), http.MethodPost, "/api/users/"+id.String()+"/password",
		login(t, client, "boss"), `{"newPassword":"`+strong+`"}`); err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("%v %s %v", response, body, err)
	}
	response, _ := send(t, client, http.MethodPost, "/api/login?cookie=true", `{"username":"admin","password":"`+strong+`"}`, nil)
	session := bySession(response.Cookies()[0])
	page, _ := send(t, client, http.MethodGet, "/me", "", session)
	if got, want := page.Header.Get("Location"), "/?next=%2Fme&step=password"; page.StatusCode != http.StatusSeeOther || got != want {
		t.Errorf("status %d, to %q, want %q", page.StatusCode, got, want)
	}
	if form, _ := send(t, client, http.MethodGet, "/?next=%2Fme&step=password", "", session); form.StatusCode != http.StatusOK {
		t.Errorf("status %d: want the form", form.StatusCode)
	}
}

func TestAnAdministratorsPageIsForbiddenToOthersAndSaysSo(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleUser)
	client := stack.Serve(t, config)
	response, page := send(t, client, http.MethodGet, "/users", "", bySession(cookieLogin(t, client, nil)))
	if response.StatusCode != http.StatusForbidden || !strings.Contains(string(page), `<main id="main"`) {
		t.Errorf("status %d %s: want 403 with the page's frame", response.StatusCode, page)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": web.Policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAssetsAreKeptAndConfirmed(t *testing.T) {
	client := stack.Serve(t, stack.New(t))
	first, module := send(t, client, http.MethodGet, "/assets/js/app.js", "", nil)
	tag := first.Header.Get("ETag")
	if first.StatusCode != http.StatusOK || tag == "" || first.Header.Get("Cache-Control") != "no-cache" || len(module) == 0 {
		t.Fatalf("status %d, headers %v", first.StatusCode, first.Header)
	}
	again, body := send(t, client, http.MethodGet, "/assets/js/app.js", "", map[string]string{"If-None-Match": tag})
	if again.StatusCode != http.StatusNotModified || len(body) != 0 {
		t.Errorf("status %d with %d bytes", again.StatusCode, len(body))
	}
	if missing, _ := send(t, client, http.MethodGet, "/assets/js/nothing.js", "", nil); missing.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", missing.StatusCode)
	}
}

func TestAMistypedPathIsToldToBrowsersAsAPageAndToProgramsAsAProblem(t *testing.T) {
	client := stack.Serve(t, stack.New(t))
	html := map[string]string{"Accept": "text/html,application/xhtml+xml;q=0.9"}
	for path, want := range map[string]string{
		"/dashbord": "text/html; charset=utf-8", "/api/nothing": "application/problem+json", "/assets/nothing.js": "application/problem+json",
	} {
		response, _ := send(t, client, http.MethodGet, path, "", html)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusNotFound || got != want {
			t.Errorf("%s: status %d, type %q, want 404 and %q", path, response.StatusCode, got, want)
		}
	}
	if response, _ := send(t, client, http.MethodGet, "/dashbord", "", nil); response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a program gets %q", response.Header.Get("Content-Type"))
	}
}
