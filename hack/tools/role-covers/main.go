// Command role-covers checks that the rights which a program asks for are those that it is given.
//
//	role-covers ASKED.yaml GIVEN.yaml
//
// ASKED holds the roles that controller-gen makes of the +kubebuilder:rbac markers beside the code.
// GIVEN holds the roles that are installed. They are written by hand, since they are what a security
// review reads: with their reasons, and limited by name where a marker is not.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	rbacv1 "k8s.io/api/rbac/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/component-helpers/auth/rbac/validation"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: role-covers ASKED.yaml GIVEN.yaml")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "role-covers:", err)
		os.Exit(1)
	}
}

func run(askedPath, givenPath string) error {
	asked, err := rulesOf(askedPath)
	if err != nil {
		return err
	}
	given, err := rulesOf(givenPath)
	if err != nil {
		return err
	}
	covered, missing := validation.Covers(given, asked)
	if covered {
		return nil
	}
	for _, rule := range missing {
		fmt.Fprintf(os.Stderr, "%s lacks %v of %v in API group %v\n", givenPath, rule.Verbs, rule.Resources, rule.APIGroups)
	}
	return errors.New("a +kubebuilder:rbac marker asks for a right that is not given: add it there, or drop the marker")
}

// rulesOf collects the rules of every Role and ClusterRole in a file.
func rulesOf(path string) ([]rbacv1.PolicyRule, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()

	var rules []rbacv1.PolicyRule
	documents := utilyaml.NewYAMLReader(bufio.NewReader(file))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return rules, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		// Both kinds have their rules in the same place.
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(document, &role); err != nil {
			return nil, fmt.Errorf("decoding %s: %w", path, err)
		}
		if role.Kind == "ClusterRole" || role.Kind == "Role" {
			rules = append(rules, role.Rules...)
		}
	}
}
