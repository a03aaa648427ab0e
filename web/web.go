// Package web is the page: HTML, CSS and ES modules that browsers run as they
// are, without a build step. It is data and how it is sent; who may see a page
// is decided by ports/http.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed *.html assets
var files embed.FS

// The two documents. Shell is that of every page for those who are signed in.
const (
	SignIn = "signin.html"
	Shell  = "app.html"
)

// Policy is the Content-Security-Policy of the documents: everything comes
// from the service itself, nothing is inline, and no text becomes HTML.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// types does not depend on what the machine has in /etc/mime.types.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one that is ready to be sent.
type file struct {
	contentType, tag string
	plain, zipped    []byte
}

// all has every file by its name, compressed once.
var all = sync.OnceValue(func() map[string]file {
	ready := map[string]file{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		contentType, ok := types[path.Ext(name)]
		if !ok {
			contentType = mime.TypeByExtension(path.Ext(name))
		}
		sum := sha256.Sum256(plain)
		ready[name] = file{contentType, base64.RawURLEncoding.EncodeToString(sum[:12]), plain, zip(plain)}
		return nil
	})
	if err != nil {
		panic("web: an embedded file cannot be read: " + err.Error())
	}
	return ready
})

func zip(plain []byte) []byte {
	var zipped bytes.Buffer
	writer, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = writer.Write(plain)
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		panic("web: memory cannot be written: " + err.Error())
	}
	return zipped.Bytes()
}

// WriteDocument answers with SignIn or Shell under Policy. Documents are not
// stored, so that a browser that goes back after a sign-out asks again. The
// error is that of writing: the client has left.
func WriteDocument(w http.ResponseWriter, r *http.Request, name string, status int) error {
	document := all()[name]
	w.Header().Set("Content-Security-Policy", Policy)
	w.Header().Set("Content-Type", document.contentType)
	body := document.choose(w, r)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// ServeAsset answers with the file of a path under /assets/, and reports
// whether there is one. Browsers keep it and ask each time whether it is still
// the same.
func ServeAsset(w http.ResponseWriter, r *http.Request) bool {
	name := strings.TrimPrefix(r.URL.Path, "/")
	asset, ok := all()[name]
	if !ok || !strings.HasPrefix(name, "assets/") {
		return false
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Type", asset.contentType)
	body, tag := asset.choose(w, r), asset.tag
	if header.Get("Content-Encoding") != "" {
		tag += "-gzip"
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return true
}

// choose returns the form of the file that the client takes, and says in the
// header which one it is.
func (f file) choose(w http.ResponseWriter, r *http.Request) []byte {
	w.Header().Set("Vary", "Accept-Encoding")
	if !takesGzip(r.Header) {
		return f.plain
	}
	w.Header().Set("Content-Encoding", "gzip")
	return f.zipped
}

// takesGzip reports whether Accept-Encoding names gzip and does not refuse it:
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
func takesGzip(header http.Header) bool {
	for _, list := range header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(list, ",") {
			name, quality, _ := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			_, value, weighted := strings.Cut(quality, "q=")
			weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return !weighted || err == nil && weight > 0
		}
	}
	return false
}
