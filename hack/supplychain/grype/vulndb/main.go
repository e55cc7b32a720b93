// vulndb makes a vulnerability database for Grype with made-up entries: the real one needs the network.
//
//	vulndb DIRECTORY
package main

import (
	"fmt"
	"os"

	v6 "github.com/anchore/grype/grype/db/v6"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: vulndb DIRECTORY")
	}
	db, err := v6.NewWriter(v6.Config{DBDirPath: os.Args[1]})
	if err != nil {
		return err
	}
	if err := fill(db); err != nil {
		return err
	}
	return db.Close()
}

// fill has two vulnerabilities of one package of npm.
func fill(db v6.ReadWriter) error {
	if err := db.SetDBMetadata(); err != nil {
		return err
	}
	provider := &v6.Provider{ID: "github", Version: "1", Processor: "towpath"}
	if err := db.AddProvider(*provider); err != nil {
		return err
	}
	for name, severity := range map[string]string{"GHSA-aaaa-bbbb-cccc": "high", "GHSA-dddd-eeee-ffff": "low"} {
		vulnerability := &v6.VulnerabilityHandle{
			Name: name, Status: v6.VulnerabilityActive, ProviderID: provider.ID, Provider: provider,
			BlobValue: &v6.VulnerabilityBlob{ID: name, Description: "Made up.", Severities: []v6.Severity{{Scheme: v6.SeveritySchemeCHML, Value: severity, Rank: 1}}},
		}
		if err := db.AddVulnerabilities(vulnerability); err != nil {
			return err
		}
		if err := db.AddAffectedPackages(&v6.AffectedPackageHandle{
			VulnerabilityID: vulnerability.ID, Vulnerability: vulnerability, Package: &v6.Package{Name: "leaky", Ecosystem: "npm"},
			BlobValue: &v6.PackageBlob{Ranges: []v6.Range{{
				Version: v6.Version{Type: "semver", Constraint: "<2.0.0"}, Fix: &v6.Fix{Version: "2.0.0", State: v6.FixedStatus},
			}}},
		}); err != nil {
			return err
		}
	}
	return nil
}
