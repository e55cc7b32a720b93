// Package scaffold makes the first files of a service's repository from a golden path: source that builds and serves, a
// Dockerfile, the Component, and the files by which pre-commit, CI and Backstage find it.
//
// It is pure: files are returned, not written, and whether the Component is in order is for the caller to check with the
// same rules as `towpath lint`. Every value that reaches a file is checked or quoted first: files are read by shells,
// builders and CI with rights of their own.
package scaffold
