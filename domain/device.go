package domain

import "strings"

// family is what a User-Agent header has in it when it is of one.
type family struct{ mark, name string }

// browsers are in the order in which they are looked for: most name those
// below them too.
var browsers = []family{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = []family{
	{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"},
	{"CrOS", "ChromeOS"}, {"Linux", "Linux"},
}

// maxDevice bounds the name of a device in bytes.
const maxDevice = 64

// DeviceOf returns the family of a User-Agent header that stands for a device:
// "Firefox on Linux", or a program's name without its version, or "unknown". It
// is coarse on purpose: an update must not make a device a new one. What it
// answers is kept, so a change of it makes known devices new ones.
func DeviceOf(userAgent string) string {
	browser, system := familyOf(userAgent, browsers), familyOf(userAgent, systems)
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	}
	name, _, _ := strings.Cut(strings.TrimSpace(userAgent), "/")
	name, _, _ = strings.Cut(name, " ")
	name = strings.Map(printableASCII, name)
	if name == "" {
		return "unknown"
	}
	return name[:min(len(name), maxDevice)]
}

func familyOf(userAgent string, families []family) string {
	for _, family := range families {
		if strings.Contains(userAgent, family.mark) {
			return family.name
		}
	}
	return ""
}

// printableASCII drops what is anything else.
func printableASCII(r rune) rune {
	if r <= ' ' || r > '~' {
		return -1
	}
	return r
}
