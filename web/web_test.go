package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// elements returns every element of a document.
func elements(t *testing.T, name string) []*html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(all()[name].plain))
	if err != nil {
		t.Fatal(err)
	}
	var found []*html.Node
	for node := range root.Descendants() {
		if node.Type == html.ElementNode {
			found = append(found, node)
		}
	}
	return found
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

var documents = []string{SignIn, Shell}

func TestDocumentsHaveNothingInline(t *testing.T) {
	for _, name := range documents {
		ids := map[string]bool{}
		for _, node := range elements(t, name) {
			if node.Data == "style" || node.Data == "script" && attribute(node, "src") == "" {
				t.Errorf("%s: inline <%s>", name, node.Data)
			}
			for _, a := range node.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s %s=…>", name, node.Data, a.Key)
				}
			}
			if id := attribute(node, "id"); id != "" && ids[id] {
				t.Errorf("%s: two elements have the id %s", name, id)
			} else {
				ids[id] = true
			}
		}
	}
}

func TestEveryFieldOfTheDocumentsHasALabel(t *testing.T) {
	for _, name := range documents {
		labelled := map[string]bool{}
		for _, node := range elements(t, name) {
			labelled[attribute(node, "for")] = node.Data == "label"
		}
		for _, node := range elements(t, name) {
			if node.Data == "input" && attribute(node, "aria-hidden") == "" && !labelled[attribute(node, "id")] {
				t.Errorf("%s: the input %s has no label", name, attribute(node, "name"))
			}
		}
	}
}

// imported finds the specifiers of static and dynamic imports.
var imported = regexp.MustCompile(`(?m)(?:^import\s[^;]*?from\s+|^import\s+|import\()'([^']+)'`)

// imports returns the assets that a module imports.
func imports(name string) []string {
	var found []string
	for _, match := range imported.FindAllSubmatch(all()[name].plain, -1) {
		found = append(found, path.Join(path.Dir(name), string(match[1])))
	}
	return found
}

// loads returns the assets that a document names.
func loads(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	for _, node := range elements(t, name) {
		for _, address := range []string{attribute(node, "src"), attribute(node, "href")} {
			if asset, ok := strings.CutPrefix(address, "/assets/"); ok {
				found = append(found, "assets/"+asset)
			}
		}
	}
	return found
}

func TestEveryAssetThatIsNamedExistsAndEveryAssetIsNamed(t *testing.T) {
	named := map[string]bool{}
	var visit func(by string, assets []string)
	visit = func(by string, assets []string) {
		for _, asset := range assets {
			if _, ok := all()[asset]; !ok {
				t.Errorf("%s needs %s, which is missing", by, asset)
			} else if !named[asset] {
				named[asset] = true
				visit(asset, imports(asset))
			}
		}
	}
	for _, name := range documents {
		visit(name, loads(t, name))
	}
	for _, name := range slices.Sorted(maps.Keys(all())) {
		if strings.HasPrefix(name, "assets/") && !named[name] {
			t.Errorf("nothing needs %s", name)
		}
	}
}

// maxPage is the greatest weight of a page, without what it shows.
const maxPage = 100_000

func TestEveryPageIsLight(t *testing.T) {
	weigh := func(document string, more ...string) (bytes int) {
		seen := map[string]bool{}
		queue := append(loads(t, document), more...)
		for len(queue) > 0 {
			asset := queue[0]
			queue = queue[1:]
			if seen[asset] {
				continue
			}
			seen[asset] = true
			bytes += len(all()[asset].plain)
			if asset != "assets/js/routes.js" { // which imports every page when it is asked for
				queue = append(queue, imports(asset)...)
			}
		}
		return bytes + len(all()[document].plain)
	}
	if got := weigh(SignIn); got > maxPage {
		t.Errorf("the sign-in weighs %d bytes", got)
	}
	for _, page := range imports("assets/js/routes.js") {
		got := weigh(Shell, page)
		t.Logf("%s: %d bytes", path.Base(page), got)
		if got > maxPage {
			t.Errorf("%s weighs %d bytes, want at most %d", page, got, maxPage)
		}
	}
}

// dangerous is what would make HTML, styles or code of texts.
var dangerous = regexp.MustCompile(`\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setAttribute\('style'|\bstyle:|srcdoc|javascript:`)

func TestModulesMakeNeitherMarkupNorCodeOfTexts(t *testing.T) {
	for name, file := range all() {
		if found := dangerous.Find(file.plain); path.Ext(name) == ".js" && found != nil {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func get(address string, headers map[string]string) *http.Response {
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	if !ServeAsset(recorder, request) {
		recorder.Code = http.StatusNotFound
	}
	return recorder.Result()
}

func TestAssetsAreSentOnceAndThenConfirmed(t *testing.T) {
	for name, file := range all() {
		if !strings.HasPrefix(name, "assets/") {
			continue
		}
		for _, coding := range []string{"", "gzip"} {
			first := get("/"+name, map[string]string{"Accept-Encoding": coding})
			tag := first.Header.Get("ETag")
			if first.StatusCode != http.StatusOK || tag == "" || first.Header.Get("Content-Encoding") != coding {
				t.Fatalf("%s: status %d, tag %s, coding %s", name, first.StatusCode, tag, first.Header.Get("Content-Encoding"))
			}
			if first.Header.Get("Cache-Control") != "no-cache" || first.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: headers %v", name, first.Header)
			}
			if want := types[path.Ext(name)]; want == "" || first.Header.Get("Content-Type") != want {
				t.Errorf("%s: type %q, want %q", name, first.Header.Get("Content-Type"), want)
			}
			if !bytes.Equal(content(t, first), file.plain) {
				t.Errorf("%s: other content than the file's", name)
			}
			again := get("/"+name, map[string]string{"Accept-Encoding": coding, "If-None-Match": tag})
			if again.StatusCode != http.StatusNotModified || len(content(t, again)) != 0 {
				t.Errorf("%s: status %d for its own tag", name, again.StatusCode)
			}
			if other := get("/"+name, map[string]string{"If-None-Match": `"another"`}); other.StatusCode != http.StatusOK {
				t.Errorf("%s: status %d for another tag", name, other.StatusCode)
			}
		}
	}
}

// content returns the body of an answer, unpacked.
func content(t *testing.T, response *http.Response) []byte {
	t.Helper()
	var body io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" && response.StatusCode == http.StatusOK {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOnlyAssetsAreServedAsAssets(t *testing.T) {
	for _, address := range []string{"/app.html", "/assets/", "/assets/js", "/assets/../app.html", "/assets/js/nothing.js", "/web.go"} {
		if got := get(address, nil).StatusCode; got != http.StatusNotFound {
			t.Errorf("%s: status %d", address, got)
		}
	}
}

func TestGzipIsSentToWhoTakesIt(t *testing.T) {
	for accepted, want := range map[string]bool{
		"": false, "br": false, "gzip": true, "deflate, gzip;q=0.5": true, "GZIP": true,
		"gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=x": false, "xgzip": false,
	} {
		if got := takesGzip(http.Header{"Accept-Encoding": {accepted}}); got != want {
			t.Errorf("%q: %v, want %v", accepted, got, want)
		}
	}
}

func TestDocumentsHaveTheirPolicyAndAreNotStored(t *testing.T) {
	for _, name := range documents {
		for _, coding := range []string{"", "gzip"} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			request.Header.Set("Accept-Encoding", coding)
			recorder := httptest.NewRecorder()
			if err := WriteDocument(recorder, request, name, http.StatusForbidden); err != nil {
				t.Fatal(err)
			}
			answer := recorder.Result()
			if answer.StatusCode != http.StatusForbidden || answer.Header.Get("Content-Security-Policy") != Policy ||
				answer.Header.Get("Content-Type") != "text/html; charset=utf-8" || answer.Header.Get("ETag") != "" {
				t.Errorf("%s: status %d, headers %v", name, answer.StatusCode, answer.Header)
			}
			answer.StatusCode = http.StatusOK
			if !bytes.Equal(content(t, answer), all()[name].plain) {
				t.Errorf("%s: other content than the file's", name)
			}
		}
	}
}
