// Package catalog says what the objects of Towpath are in the software catalogue of Backstage: a Component is a Component, or
// a Resource where its golden path says so; an Environment is a Resource; a Team is a Group, and its home namespace a System
// that these are part of.
//
// Entities of a team are in the Backstage namespace of the name of its home namespace, so that two teams may each have a
// checkout. It is pure: the same objects give the same entities, in the same order, and nothing of them changes with the
// state of the cluster from minute to minute.
package catalog
