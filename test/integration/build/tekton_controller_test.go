package build_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
)

// definitions are those of Tekton itself: they stand in the module that hack/tekton has, and come with it. Its webhooks do not run,
// so nothing is converted.
var definitions = sync.OnceValues(func() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	list := exec.Command("go", "mod", "download", "-json", "github.com/tektoncd/pipeline")
	list.Dir = filepath.FromSlash("../../../hack/tekton")
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	var module struct{ Dir string }
	if err := yaml.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	var all []*apiextensionsv1.CustomResourceDefinition
	for _, name := range []string{"pipelinerun", "taskrun"} {
		text, err := os.ReadFile(filepath.Join(module.Dir, "config", "300-crds", "300-"+name+".yaml"))
		if err != nil {
			return nil, err
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(text, definition); err != nil {
			return nil, err
		}
		definition.Spec.Conversion = nil
		all = append(all, definition)
	}
	return all, nil
})

// installTekton has the cluster serve the kinds of Tekton.
func installTekton(ctx context.Context) {
	GinkgoHelper()
	all, err := definitions()
	Expect(err).NotTo(HaveOccurred())
	for _, definition := range all {
		err := admin.Create(ctx, definition.DeepCopy())
		Expect(client.IgnoreAlreadyExists(err)).To(Succeed())
	}
	for _, definition := range all {
		Eventually(ctx, func(ctx context.Context) error {
			list := &unstructured.UnstructuredList{}
			list.SetAPIVersion("tekton.dev/v1")
			list.SetKind(definition.Spec.Names.Kind + "List")
			return admin.List(ctx, list, client.Limit(1))
		}).Should(Succeed(), "the cluster serves it")
	}
}

// removeTekton takes them away, with all objects.
func removeTekton(ctx context.Context) {
	GinkgoHelper()
	all, err := definitions()
	Expect(err).NotTo(HaveOccurred())
	for _, definition := range all {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, definition.DeepCopy()))).To(Succeed())
	}
	for _, definition := range all {
		Eventually(ctx, func(ctx context.Context) bool {
			return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(definition), definition.DeepCopy()))
		}).Should(BeTrue(), "it goes")
	}
}

// tekton is a client with the name of Tekton's controller, which admission policies go by, and with all rights.
func tekton() client.Client {
	GinkgoHelper()
	cfg := cluster.Plane.AdminConfig()
	cfg.Impersonate.UserName = "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller"
	cfg.Impersonate.Groups = []string{"system:masters"}
	c, err := client.New(cfg, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// pipelineRun is the PipelineRun of a Build. Its methods are what Tekton's controller does with it.
type pipelineRun struct {
	namespace, name string
	tekton          client.Client
}

// pipelineRun waits for that of a Build.
func (t *team) pipelineRun(ctx context.Context, b *platformv1alpha1.Build) *pipelineRun {
	GinkgoHelper()
	run := &pipelineRun{namespace: t.workload, name: jobs.Name("checkout", b.UID, "pipeline"), tekton: tekton()}
	Eventually(ctx, run.exists).Should(BeTrue(), "PipelineRun "+run.name+" must be made")
	return run
}

func (r *pipelineRun) object(kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("tekton.dev/v1")
	object.SetKind(kind)
	object.SetNamespace(r.namespace)
	object.SetName(name)
	return object
}

// exists says whether it is there.
func (r *pipelineRun) exists(ctx context.Context) (bool, error) {
	run := r.object("PipelineRun", r.name)
	err := admin.Get(ctx, client.ObjectKeyFromObject(run), run)
	return err == nil, client.IgnoreNotFound(err)
}

func (r *pipelineRun) live(ctx context.Context) *unstructured.Unstructured {
	GinkgoHelper()
	run := r.object("PipelineRun", r.name)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
	return run
}

// cancelled says whether it is asked to end.
func (r *pipelineRun) cancelled(ctx context.Context) bool {
	GinkgoHelper()
	status, _, _ := unstructured.NestedString(r.live(ctx).Object, "spec", "status")
	return status == "Cancelled"
}

// change changes the status of a run.
func (r *pipelineRun) change(ctx context.Context, object *unstructured.Unstructured, with func(status map[string]any)) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		if err := r.tekton.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		status, _ := object.Object["status"].(map[string]any)
		if status == nil {
			status = map[string]any{}
			object.Object["status"] = status
		}
		with(status)
		return r.tekton.Status().Update(ctx, object)
	}).Should(Succeed())
}

func succeeded(status, reason string) []any {
	return []any{map[string]any{
		"type": "Succeeded", "status": status, "reason": reason, "message": "the password is hunter2", "lastTransitionTime": stamp(),
	}}
}

func stamp() string { return now.Now().UTC().Format("2006-01-02T15:04:05Z") }

// begins takes it up: Tekton repeats the pipeline in its status.
func (r *pipelineRun) begins(ctx context.Context) {
	GinkgoHelper()
	run := r.object("PipelineRun", r.name)
	r.change(ctx, run, func(status map[string]any) {
		definition, _, _ := unstructured.NestedMap(run.Object, "spec", "pipelineSpec")
		status["startTime"], status["pipelineSpec"], status["conditions"] = stamp(), definition, succeeded("Unknown", "Started")
	})
}

func (r *pipelineRun) ends(ctx context.Context, status, reason string) {
	GinkgoHelper()
	r.change(ctx, r.object("PipelineRun", r.name), func(fields map[string]any) {
		fields["completionTime"], fields["conditions"] = stamp(), succeeded(status, reason)
	})
}

// task makes the TaskRun of a task, which its pod begins.
func (r *pipelineRun) task(ctx context.Context, name string) {
	GinkgoHelper()
	run := r.live(ctx)
	task := r.taskOf(name)
	task.SetLabels(run.GetLabels())
	task.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: "tekton.dev/v1", Kind: "PipelineRun", Name: r.name, UID: run.GetUID(), Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
	}})
	r.make(ctx, r.tekton, task, name)
}

// forged makes one as somebody else might, whose name Tekton took from its own.
func (r *pipelineRun) forged(ctx context.Context, name string) {
	GinkgoHelper()
	task := r.taskOf(name)
	task.SetLabels(map[string]string{})
	r.make(ctx, admin, task, name)
}

func (r *pipelineRun) taskOf(name string) *unstructured.Unstructured {
	task := r.object("TaskRun", r.name+"-"+name)
	task.Object["spec"] = map[string]any{"serviceAccountName": "default", "taskSpec": map[string]any{"steps": []any{map[string]any{"name": "stage", "image": "registry.example/shell:1"}}}}
	return task
}

func (r *pipelineRun) make(ctx context.Context, as client.Client, task *unstructured.Unstructured, name string) {
	GinkgoHelper()
	labels := task.GetLabels()
	labels["tekton.dev/pipelineTask"], labels["tekton.dev/pipelineRun"] = name, r.name
	task.SetLabels(labels)
	Expect(as.Create(ctx, task)).To(Succeed())
	r.change(ctx, r.object("PipelineRun", r.name), func(status map[string]any) {
		children, _ := status["childReferences"].([]any)
		status["childReferences"] = append(children, map[string]any{
			"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": task.GetName(), "pipelineTaskName": name,
		})
		status["conditions"] = succeeded("Unknown", "Running")
	})
	r.change(ctx, r.object("TaskRun", task.GetName()), func(status map[string]any) {
		status["startTime"], status["podName"], status["conditions"] = stamp(), task.GetName()+"-pod", succeeded("Unknown", "Running")
	})
}

// passes makes the TaskRun of a task, and ends it well.
func (r *pipelineRun) passes(ctx context.Context, name string, more ...func(map[string]any)) {
	GinkgoHelper()
	r.task(ctx, name)
	r.taskEnds(ctx, name, "True", "Succeeded", more...)
}

// taskEnds ends a task.
func (r *pipelineRun) taskEnds(ctx context.Context, name, status, reason string, more ...func(map[string]any)) {
	GinkgoHelper()
	r.change(ctx, r.object("TaskRun", r.name+"-"+name), func(fields map[string]any) {
		fields["completionTime"], fields["conditions"] = stamp(), succeeded(status, reason)
		for _, do := range more {
			do(fields)
		}
	})
}

// result is what a task wrote.
func result(name, value string) func(map[string]any) {
	return func(status map[string]any) {
		status["results"] = []any{map[string]any{"name": name, "type": "string", "value": value}}
	}
}

// exit is how the step of a task ended.
func exit(code int64) func(map[string]any) {
	return func(status map[string]any) {
		status["steps"] = []any{map[string]any{"name": "stage", "container": "step-stage", "terminated": map[string]any{
			"exitCode": code, "reason": "Error", "startedAt": stamp(), "finishedAt": stamp(),
		}}}
	}
}
