package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// maxName is what Backstage takes.
const maxName = 63

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$`)
	noNameLetters = regexp.MustCompile(`[^a-z0-9_.-]+`)
)

// Name is the name of an entity: at most 63 letters, digits, hyphens, underscores and dots, in lower case, since Backstage
// takes names that differ in case alone for the same. One that had to be changed for that ends in a hash of what it was, so
// that no two become the same.
func Name(of string) string {
	if len(of) <= maxName && namePattern.MatchString(of) {
		return of
	}
	sum := sha256.Sum256([]byte(of))
	hash := hex.EncodeToString(sum[:])[:12]
	short := noNameLetters.ReplaceAllString(strings.ToLower(of), "-")
	short = strings.Trim(short[:min(len(short), maxName-len(hash)-1)], "-_.")
	return strings.TrimPrefix(short+"-"+hash, "-")
}

// entityNamespace is the Backstage namespace of what is in a namespace. Names of namespaces are names there too.
func entityNamespace(namespace string) string {
	if namespace == "default" {
		return ""
	}
	return namespace
}

// ref is a reference as Backstage writes it.
func ref(kind, namespace, name string) string {
	return strings.ToLower(kind) + ":" + cmp.Or(entityNamespace(namespace), "default") + "/" + name
}

func groupRef(team string) string { return ref(KindGroup, "", Name(cmp.Or(team, unknown))) }

func systemRef(namespace, team string) string {
	return ref(KindSystem, namespace, systemName(namespace, team))
}

// systemName is the team's, in whose home the system is.
func systemName(namespace, team string) string { return Name(cmp.Or(team, namespace)) }

// environmentName cannot be that of a Component, which has no dot.
func environmentName(name string) string { return Name(name + ".environment") }

// Ref is the reference of an entity.
func (e *Entity) Ref() string { return ref(e.Kind, e.Metadata.Namespace, e.Metadata.Name) }

func sorted[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
