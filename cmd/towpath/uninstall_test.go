package main

import (
	"testing"
)

func TestUninstallOnlySaysWhatItWouldDo(t *testing.T) {
	expect(t, towpath(t, nil, "uninstall"), exitOK, `
this cluster has no kinds of Towpath
what Components run keeps running, and is nobody's from then on
nothing was changed; to go on: towpath uninstall --workloads=keep --definitions=keep --yes
`, "")
	expect(t, towpath(t, nil, "uninstall", "--workloads=delete", "--context", "prod"), exitOK, `
this cluster has no kinds of Towpath
everything that Components run is DELETED, and each Environment's namespace with all that is in it, data too
nothing was changed; to go on: towpath uninstall --context prod --workloads=delete --definitions=keep --yes
`, "")
}

func TestUninstallTakesTwoWords(t *testing.T) {
	expect(t, towpath(t, nil, "uninstall", "--definitions=none"), exitTrouble, "", `
towpath: --definitions is "none"; it must be keep or delete
next: towpath uninstall --help
`)
	expect(t, towpath(t, nil, "uninstall", "--workloads=all"), exitTrouble, "", `
towpath: --workloads is "all"; it must be keep or delete
next: towpath uninstall --help
`)
}
