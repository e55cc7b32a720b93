// Command webhook is the admission webhook of Tekton for the runs that Towpath makes and reads: Tekton's own types default and judge them.
// It is not Tekton's own program, since that and the controller both listen on port 8080, and a test runs both on one machine. What is
// left out is conversion, and other kinds.
package main

import (
	"context"

	"github.com/tektoncd/pipeline/pkg/apis/config"
	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/logging"
	"knative.dev/pkg/signals"
	"knative.dev/pkg/system"
	"knative.dev/pkg/webhook"
	"knative.dev/pkg/webhook/certificates"
	"knative.dev/pkg/webhook/resourcesemantics"
	"knative.dev/pkg/webhook/resourcesemantics/defaulting"
	"knative.dev/pkg/webhook/resourcesemantics/validation"
)

const (
	service = "tekton-pipelines-webhook"
	// name of the mutating configuration; the validating one has it too, with a word before it.
	name = "webhook.pipeline.tekton.dev"
)

var kinds = map[schema.GroupVersionKind]resourcesemantics.GenericCRD{
	v1.SchemeGroupVersion.WithKind("PipelineRun"): &v1.PipelineRun{},
	v1.SchemeGroupVersion.WithKind("TaskRun"):     &v1.TaskRun{},
}

func main() {
	ctx := sharedmain.WithHealthProbesDisabled(injection.WithNamespaceScope(signals.NewContext(), system.Namespace()))
	ctx = webhook.WithOptions(ctx, webhook.Options{ServiceName: service, Port: webhook.PortFromEnv(8443), SecretName: "webhook-certs"})
	sharedmain.MainWithContext(ctx, service, certificates.NewController,
		func(ctx context.Context, changes configmap.Watcher) *controller.Impl {
			return defaulting.NewAdmissionController(ctx, name, "/defaulting", kinds, configured(ctx, changes), true)
		},
		func(ctx context.Context, changes configmap.Watcher) *controller.Impl {
			return validation.NewAdmissionController(ctx, "validation."+name, "/resource-validation", kinds, configured(ctx, changes), true)
		})
}

// configured gives the configuration of Tekton to what judges.
func configured(ctx context.Context, changes configmap.Watcher) func(context.Context) context.Context {
	store := config.NewStore(logging.FromContext(ctx).Named("config"))
	store.WatchConfigs(changes)
	return store.ToContext
}
