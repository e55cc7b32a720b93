// Package expr is the expression language of golden paths: strings that hold ${…} with CEL inside.
//
// The language is CEL with the function libraries of Kubernetes, in an environment of its own with
// two differences. A list or map literal may hold values of different types, so that any Kubernetes
// object can be written. And maps are always iterated in the order of their keys: cel-go goes
// through Go maps, whose order is random, so that a list made from a map would differ from one
// rendering to the next, and a controller would write for ever.
//
// Nothing that an expression can reach changes from one evaluation to the next: there is no clock,
// no randomness, no network and no cluster. Each evaluation is bounded in cost (Budget) and each
// result in size (Output), so that no template and no parameter can stop the manager.
package expr
