// Package template compiles ServiceTemplates: the schema of their parameters, the expressions in
// their objects and the order between these. It is pure.
//
// Compile checks all that can be known before the first Component: that the schema is one, that each
// expression type-checks against it, that each value fits the field of the target kind, that no
// field is unknown and none that is required is missing, and that nothing is templated which a
// template must not make. Evaluate then gives the objects for one set of parameters.
package template
