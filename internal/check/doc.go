// Package check decides on the checks of Releases: what they are once their expressions have values, when each is to be
// measured, what a measurement says, and when a Release has passed. It is pure: what was measured and the time come in.
package check
