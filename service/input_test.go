package service_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// post sends a body of any kind to the login and returns the status and the
// answer.
func post(t *testing.T, client *stack.Client, contentType string, body io.Reader, header map[string]string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.Base+"/api/login", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestStrangeBodies(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	const form = "application/json"
	for name, test := range map[string]struct {
		contentType string
		body        io.Reader
		want        int
	}{
		"as described":         {form, strings.NewReader(`{"username":"admin","password":"admin"}`), 200},
		"with charset":         {form + "; charset=utf-8", strings.NewReader(`{"username":"admin","password":"admin"}`), 200},
		"chunked":              {form, io.MultiReader(strings.NewReader(`{"username":"admin",`), strings.NewReader(`"password":"admin"}`)), 200},
		"with white space":     {form, strings.NewReader(" \n{ \"username\" : \"admin\" , \"password\" : \"admin\" }\n"), 200},
		"a form":               {"application/x-www-form-urlencoded", strings.NewReader("username=admin&password=admin"), 415},
		"XML":                  {"text/xml", strings.NewReader("<login/>"), 415},
		"duplicate member":     {form, strings.NewReader(`{"username":"admin","password":"wrong","password":"admin"}`), 400},
		"duplicate by escape":  {form, strings.NewReader(`{"username":"admin","password":"wrong","p\u0061ssword":"admin"}`), 400},
		"other case":           {form, strings.NewReader(`{"username":"admin","PASSWORD":"admin"}`), 400},
		"invalid UTF-8":        {form, strings.NewReader("{\"username\":\"admin\",\"password\":\"\xff\"}"), 400},
		"half a surrogate":     {form, strings.NewReader(`{"username":"\ud800","password":"admin"}`), 400},
		"a list":               {form, strings.NewReader(`["admin","admin"]`), 400},
		"null":                 {form, strings.NewReader(`null`), 400},
		"null password":        {form, strings.NewReader(`{"username":"admin","password":null}`), 400},
		"deep":                 {form, strings.NewReader(strings.Repeat("[", 60_000)), 400},
		"NUL in the name":      {form, strings.NewReader(`{"username":"ad\u0000min","password":"admin"}`), 401},
		"overriding direction": {form, strings.NewReader(`{"username":"\u202enimda","password":"admin"}`), 401},
		"right to left":        {form, strings.NewReader(`{"username":"مدير النظام","password":"admin"}`), 401},
		"10 MB name":           {form, strings.NewReader(`{"username":"` + strings.Repeat("x", 10<<20) + `","password":"admin"}`), 413},
		"10 MB name, chunked":  {form, io.MultiReader(strings.NewReader(`{"username":"`), strings.NewReader(strings.Repeat("x", 10<<20)+`","password":"admin"}`)), 413},
	} {
		t.Run(name, func(t *testing.T) {
			if got, body := post(t, client, test.contentType, test.body, nil); got != test.want {
				t.Errorf("status %d %s, want %d", got, body, test.want)
			}
		})
	}
	requireUnbrokenChains(t, config)
}

func TestHeadersCannotFlood(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	const body = `{"username":"admin","password":"admin"}`
	many := map[string]string{}
	for i := range 2000 {
		many[fmt.Sprintf("X-Flood-%d", i)] = strings.Repeat("x", 50)
	}
	for name, test := range map[string]struct {
		header map[string]string
		want   int
	}{
		"one huge header":   {map[string]string{"X-Flood": strings.Repeat("x", 100_000)}, 431},
		"many headers":      {many, 431},
		"long user agent":   {map[string]string{"User-Agent": strings.Repeat("x", 10_000)}, 200},
		"strange requestId": {map[string]string{"X-Request-Id": `"; drop table users; --`}, 200},
		"strange trace":     {map[string]string{"Traceparent": "00-zz"}, 200},
		"binary user agent": {map[string]string{"User-Agent": "a\xff\xfeb"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			if got, text := post(t, client, "application/json", strings.NewReader(body), test.header); got != test.want {
				t.Errorf("status %d %s, want %d", got, text, test.want)
			}
		})
	}
	requireUnbrokenChains(t, config)
}

func TestASlowBodyIsCutOff(t *testing.T) {
	config := stack.New(t)
	client := stack.Serve(t, config)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(client.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	// The rest of the body never comes.
	if _, err := fmt.Fprint(conn, "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %d, want 408", response.StatusCode)
	}
}
