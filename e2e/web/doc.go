// Package web tests deploy/nginx as it stands before the API in compose.yml:
// with a real nginx and real processes of the API. The tag nginx asks for that.
package web
