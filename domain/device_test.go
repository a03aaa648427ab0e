package domain

import (
	"strings"
	"testing"
)

func TestADeviceIsTheFamilyOfItsUserAgent(t *testing.T) {
	for userAgent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                     "Firefox on Linux",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                     "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36":                            "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.68":          "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36":                      "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1":    "Safari on iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/1": "Chrome on iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15":                         "Safari on macOS",
		"curl/7.88.1":                         "curl",
		"Go-http-client/1.1":                  "Go-http-client",
		"my-app 2.0":                          "my-app",
		"":                                    "unknown",
		"\r\nBcc: x":                          "Bcc:",
		"ключ/1":                              "unknown",
		strings.Repeat("x", 300):              strings.Repeat("x", 64),
		"Chrome/1 of nobody knows what":       "Chrome",
		"<script>alert(1)</script>":           "<script>alert(1)<",
		"/leading":                            "unknown",
		"PostmanRuntime/7.39.0 (Linux x86_6)": "PostmanRuntime",
	} {
		if got := DeviceOf(userAgent); got != want {
			t.Errorf("%q is %q, want %q", userAgent, got, want)
		}
	}
}
