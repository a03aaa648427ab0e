// Package deploy has the files that the service is deployed by, and the tests
// that hold them to what they say: nothing here needs a Docker engine.
package deploy
