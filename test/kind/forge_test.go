package kind

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// forgeName is the namespace, the Deployment and the Service of test/kind/forge, and forgeHost how it is called: the manager's
	// configuration in config/manager.yaml allows it.
	forgeName, forgeHost = "forge", "forge.forge.svc"
	forgeImage           = "app.test/towpath/forge:1"
	forgePassword        = "pa$$ word`id`'\"" // as nobody should write it into a shell
)

// startForge starts the Git server and the registry, and has the node fetch images from the latter.
func startForge(ctx context.Context) {
	GinkgoHelper()
	makeNamespace(ctx, forgeName)
	meta := metav1.ObjectMeta{Namespace: forgeName, Name: forgeName, Labels: map[string]string{"app": forgeName}}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: meta.Labels, Ports: []corev1.ServicePort{
		{Name: "git", Port: 8443, TargetPort: intstr.FromInt32(8443)}, {Name: "images", Port: 5000, TargetPort: intstr.FromInt32(5000)},
	}}}
	Expect(kind.Create(ctx, service)).To(Succeed())
	Expect(kind.Create(ctx, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: meta.Labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: corev1.PodSpec{
			AutomountServiceAccountToken: ptr.To(false),
			Containers: []corev1.Container{{
				Name: forgeName, Image: forgeImage, Args: []string{"serve"},
				// A password with a dollar must not be one with the value of a variable.
				Env:            []corev1.EnvVar{{Name: "HOST", Value: forgeHost}, {Name: "PASSWORD", Value: strings.ReplaceAll(forgePassword, "$", "$$")}},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8443)}}},
				VolumeMounts:   []corev1.VolumeMount{{Name: "data", MountPath: "/data"}, {Name: "tmp", MountPath: "/tmp"}},
			}},
			Volumes: []corev1.Volume{
				{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
				{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		}},
	}})).To(Succeed())
	kind.kubectl(ctx, "-n", forgeName, "rollout", "status", "deployment/"+forgeName, "--timeout="+patience.String())

	// The node knows no names of Services, and asks registries by HTTPS unless it is told otherwise.
	Expect(kind.Get(ctx, client.ObjectKeyFromObject(service), service)).To(Succeed())
	url := "http://" + service.Spec.ClusterIP + ":5000"
	script := `mkdir -p "$1" && printf 'server = "%s"\n[host."%s"]\n' "$2" "$2" >"$1/hosts.toml"`
	kind.docker(ctx, "exec", kind.node, "sh", "-c", script, "sh", "/etc/containerd/certs.d/"+forgeHost+":5000", url)
}

// commit pushes a commit of these files, each as path=content, and returns its hash.
func commit(ctx context.Context, repository, message string, files ...string) string {
	GinkgoHelper()
	return strings.TrimSpace(kind.kubectl(ctx, append([]string{"-n", forgeName, "exec", "deployment/" + forgeName, "--",
		"forge", "commit", repository, message}, files...)...))
}

// credentials makes the Secret by which Builds in a workload namespace, and the manager, read what the forge has.
func credentials(ctx context.Context, namespace string) {
	GinkgoHelper()
	Expect(kind.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "towpath-git"},
		StringData: map[string]string{
			"username": "reader", "password": forgePassword, "repository": "https://" + forgeHost + ":8443/",
			"ca": kind.kubectl(ctx, "-n", forgeName, "exec", "deployment/"+forgeName, "--", "cat", "/data/ca.pem"),
		},
	})).To(Succeed())
}
