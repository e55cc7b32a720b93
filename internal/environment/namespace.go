// Package environment names what an Environment owns: its workload namespace and the service
// account that Towpath writes into it as. It is pure: names follow from names alone.
package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// hashLength is the number of hexadecimal digits that tell two namespaces apart whose plain names
// would be the same: 32 bits, and a clash is still refused, since a namespace is never adopted.
const hashLength = 8

// hash is what names that could meet end in.
var hash = regexp.MustCompile(`^[0-9a-f]{8}$`)

// NamespaceName returns the name of the workload namespace of an environment of a team:
// <team>-<environment>. An environment whose name holds a hyphen, or could be a hash, gets a short hash behind it, so
// that the environment c of team a-b and the environment b-c of team a never meet; so does a name
// that would pass 63 characters, and it is cut.
func NamespaceName(team, environment string) string {
	name := team + "-" + environment
	if !strings.Contains(environment, "-") && !hash.MatchString(environment) && len(name) <= validation.DNS1123LabelMaxLength {
		return name
	}
	sum := sha256.Sum256([]byte(team + "/" + environment))
	suffix := "-" + hex.EncodeToString(sum[:])[:hashLength]
	if room := validation.DNS1123LabelMaxLength - len(suffix); len(name) > room {
		name = strings.TrimRight(name[:room], "-")
	}
	return name + suffix
}

// Reserved says whether a namespace is one of Kubernetes' or of Towpath's own, which is never taken over. The policy
// towpath-namespaces refuses these too.
func Reserved(name string) bool {
	return name == "default" || strings.HasPrefix(name, "kube-") || name == platformv1alpha1.SystemNamespace || name == platformv1alpha1.ApplierNamespace
}

// Applier returns the service account that Towpath writes as in a workload namespace. It bears the
// namespace's name and lives apart from it, where no tenant could mint its tokens.
func Applier(namespace string) types.NamespacedName {
	return types.NamespacedName{Namespace: platformv1alpha1.ApplierNamespace, Name: namespace}
}

// ApplierUser returns the user name of that service account.
func ApplierUser(namespace string) string {
	return "system:serviceaccount:" + platformv1alpha1.ApplierNamespace + ":" + namespace
}
