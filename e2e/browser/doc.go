// Package browser tests the page in a real Chromium, against the service with
// TiDB and Kafka. Its tests need the build tag browser, which go tool task test
// sets where there is a Chromium and npm.
package browser
