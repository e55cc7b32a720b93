package framework

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// RightsDir names the folder in which every suite leaves what rights the manager and the appliers used; make
	// test-integration sets it, and make verify-audit compares all of them with the roles. Unset: nothing is left.
	RightsDir = "TOWPATH_RIGHTS_DIR"

	// suiteAgent is what a suite calls itself where it acts as the manager: what it asks for is no use that the
	// manager makes of its rights.
	suiteAgent = "towpath-suite"

	applierPrefix = "system:serviceaccount:" + platformv1alpha1.ApplierNamespace + ":"
)

// recordsRights says whether the suite leaves the rights that were used.
func recordsRights() bool { return os.Getenv(RightsDir) != "" }

// RecordRights leaves in the folder of RightsDir which rights the manager and the appliers used, by an audit log.
// It does nothing where RightsDir is not set.
func RecordRights(auditLog string) error {
	if !recordsRights() {
		return nil
	}
	log, err := os.Open(auditLog)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	rights, err := UsedRights(log)
	if err != nil {
		return fmt.Errorf("%s: %w", auditLog, err)
	}
	if err := os.MkdirAll(os.Getenv(RightsDir), 0o755); err != nil {
		return err
	}
	// A suite may have several clusters, and a package runs as a process of its own.
	file, err := os.CreateTemp(os.Getenv(RightsDir), filepath.Base(os.Args[0])+"-*.tsv")
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, strings.Join(rights, "\n")+"\n")
	return errors.Join(err, file.Close())
}

// UsedRights reads an audit log, and returns each right that the manager or an applier used as one line with tabs
// between who, verb, group, resource, namespace, name, and allow or forbid.
//
// Who is manager or applier. The namespace is empty for what is cluster-scoped or in all namespaces, one of the
// installation's, or * for any other. The name is that of the object where a role may limit rights by name, else
// empty.
func UsedRights(log io.Reader) ([]string, error) {
	var rights []string
	seen := map[string]bool{}
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			slices.Sort(rights)
			return rights, nil // a last line without its end is still being written
		}
		if err != nil {
			return nil, err
		}
		if !bytes.Contains(line, []byte(ManagerUser)) {
			continue // decoding is what takes the time
		}
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, err
		}
		for _, right := range rightsOf(&event) {
			if !seen[right] {
				seen[right] = true
				rights = append(rights, right)
			}
		}
	}
}

// rightsOf are the rights that one request used. Some show only in what came of it: an apply that creates needs
// create, one that binds a role needs bind, and whoever impersonates needs to be allowed to.
func rightsOf(event *auditv1.Event) []string {
	ref := event.ObjectRef
	if ref == nil || event.User.Username != ManagerUser || strings.HasPrefix(event.UserAgent, suiteAgent) {
		return nil
	}
	who, decision := "manager", event.Annotations["authorization.k8s.io/decision"]
	resource := ref.Resource
	if ref.Subresource != "" {
		resource += "/" + ref.Subresource
	}
	line := func(who, verb, group, resource, namespace, name string) string {
		if !slices.Contains([]string{"", platformv1alpha1.SystemNamespace, platformv1alpha1.ApplierNamespace}, namespace) {
			namespace = "*"
		}
		if !limitedByName[resource] {
			name = ""
		}
		return strings.Join([]string{who, verb, group, resource, namespace, name, decision}, "\t")
	}
	var rights []string
	if as := event.ImpersonatedUser; as != nil {
		// Whom an impersonator may be is decided before what they may do.
		rights = append(rights, line(who, "impersonate", "", "serviceaccounts", platformv1alpha1.ApplierNamespace, ""))
		if who = "applier"; !strings.HasPrefix(as.Username, applierPrefix) {
			who = "somebody else: " + as.Username
		}
	}
	namespace := ref.Namespace
	if resource == "namespaces" || strings.HasPrefix(resource, "namespaces/") {
		namespace = "" // the API server calls a namespace one that is in itself
	}
	rights = append(rights, line(who, event.Verb, ref.APIGroup, resource, namespace, ref.Name))
	if event.Verb == "patch" && event.ResponseStatus != nil && event.ResponseStatus.Code == 201 {
		rights = append(rights, line(who, "create", ref.APIGroup, resource, namespace, ref.Name))
		if resource == "rolebindings" {
			// The policy towpath-bindings holds the manager to bindings of the role of their name.
			rights = append(rights, line(who, "bind", ref.APIGroup, "clusterroles", "", ref.Name))
		}
	}
	return rights
}

// limitedByName are the resources of which the roles name single objects.
var limitedByName = map[string]bool{
	"resourcequotas": true, "limitranges": true, "networkpolicies": true,
	"rolebindings": true, "clusterroles": true, "secrets": true, "leases": true, "validatingwebhookconfigurations": true,
}
