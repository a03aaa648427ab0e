//go:build browser

package browser_test

import (
	"testing"

	"helfy/internal/browser"
)

// fill types into a field of the open dialog.
func fill(tab *browser.Tab, field, text string) {
	tab.Fill("dialog[open] input[name="+field+"]", text)
}

func TestAUserIsMadeAndMustChooseAPassword(t *testing.T) {
	s := newSite(t)
	const first, temporary, chosen = "a first strange sentence", "quite another strange sentence", "a sentence that nobody knows"
	admin := s.visitAs("admin", "/users")
	press(admin, "main", "New user")
	fill(admin, "username", "carol")
	fill(admin, "password", first)
	admin.Click("dialog[open] [type=submit]")
	admin.UntilText("main table", "carol")
	admin.Open("/users?user=carol")
	admin.UntilText("main table", "carol")
	press(admin, "main table", "Manage")
	fill(admin, "newPassword", temporary)
	press(admin, "dialog[open]", "Reset")
	admin.UntilText("#live", "must change the password")

	carol := s.visit("/")
	carol.SignIn("carol", temporary)
	carol.UntilText("h1", "Choose a new password")
	carol.Fill("#renew input[name=newPassword]", chosen)
	carol.Click("#renew [type=submit]")
	carol.UntilPath("/dashboard")
	carol.UntilText("#who", "carol")
}

func TestADisabledUserIsSignedOutAndKeptOut(t *testing.T) {
	s := newSite(t)
	alice := s.visitAs("alice", "/me")
	admin := s.visitAs("admin", "/users?user=alice")
	admin.UntilText("main table", "alice")
	press(admin, "main table", "Manage")
	press(admin, "dialog[open]", "Disable")
	admin.UntilText("main table", "disabled")
	alice.Expect("status of 401")
	alice.Open("/me")
	alice.Until(`location.pathname === "/"`)
	alice.SignIn("alice", "alice")
	alice.UntilText("[role=alert]", "wrong")
}

func TestTheLastAdministratorCannotBeDisabled(t *testing.T) {
	s := newSite(t)
	tab := s.visitAs("admin", "/users?user=admin")
	tab.Expect("status of 409")
	tab.UntilText("main table", "admin")
	press(tab, "main table", "Manage")
	press(tab, "dialog[open]", "Disable")
	tab.UntilText("dialog[open] [role=alert]:not([hidden])", "last")
}

func TestASessionElsewhereIsSignedOut(t *testing.T) {
	s := newSite(t)
	other := s.visitAs("alice", "/dashboard")
	tab := s.visitAs("alice", "/me")
	tab.Until(`[...document.querySelectorAll("main button")].filter(b => b.firstChild?.textContent === "Sign out").length === 2`)
	browser.Evaluate[bool](tab, `([...document.querySelectorAll("main tr")].find(r => r.querySelector("button") && !r.innerText.includes("this one")).querySelector("button").click(), true)`)
	tab.UntilText("#live", "signed out")
	other.Expect("status of 401")
	other.Open("/me")
	other.Until(`location.pathname === "/"`)
}
