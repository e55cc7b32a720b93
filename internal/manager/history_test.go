package manager

import "testing"

func TestLostWithPod(t *testing.T) {
	t.Parallel()
	const (
		root     = "1042 931 0:312 / / rw,relatime master:388 - overlay overlay rw,lowerdir=/var/lib/containerd\n"
		emptyDir = "1066 1042 259:1 /var/lib/kubelet/pods/6d1f/volumes/kubernetes.io~empty-dir/history /var/lib/towpath rw,relatime - ext4 /dev/nvme0n1p1 rw\n"
		claim    = "1066 1042 259:3 / /var/lib/towpath rw,relatime - ext4 /dev/nvme1n1 rw\n"
		memory   = "1067 1042 0:301 / /var/lib/towpath rw,relatime shared:7 - tmpfs tmpfs rw,size=1024k\n"
		nearer   = "1068 1066 259:4 / /var/lib/towpath/kept rw,relatime - xfs /dev/nvme2n1 rw\n"
	)
	for name, tc := range map[string]struct {
		mounts, file string
		want         bool
	}{
		"an emptyDir":              {root + emptyDir, "/var/lib/towpath/history.db", true},
		"a claim":                  {root + claim, "/var/lib/towpath/history.db", false},
		"memory":                   {root + memory, "/var/lib/towpath/history.db", true},
		"a claim in an emptyDir":   {root + nearer + emptyDir, "/var/lib/towpath/kept/history.db", false},
		"beside it":                {root + emptyDir, "/var/lib/towpath-2/history.db", false},
		"outside of a pod":         {root, "/tmp/history.db", false},
		"where nothing is told":    {"", "/var/lib/towpath/history.db", false},
		"lines that are cut short": {"1066 1042 259:1\n- -\n", "/var/lib/towpath/history.db", false},
	} {
		if got := lostWithPod(tc.mounts, tc.file); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
