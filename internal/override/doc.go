// Package override lets a Component set fields of the golden path's objects, where the template opens them: it
// parses the paths that are open, checks every leaf that a patch sets against them, and merges.
//
// Merging has the semantics of server-side apply (sigs.k8s.io/structured-merge-diff). What that needs to know
// of the kind's schema, how the lists and maps of the patch are merged, is found out once, by Freeze, and
// stands in the Release as merge rules from then on. Apply needs no schema, so that a Release gives the same
// bytes after the cluster, the definition of a kind or Towpath itself was upgraded.
//
// The package is pure.
package override
