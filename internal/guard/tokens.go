package guard

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	automount = "automountServiceAccountToken"
	// defaultAccount is what pods run as that name no account. Every namespace has it, and nobody gives it rights.
	defaultAccount = "default"
)

// apiAudiences are what an API server takes tokens for unless it was told otherwise (--api-audiences), as whole values
// or with anything behind. A token for one of them is no better than an automounted one.
var apiAudiences = []string{"https://kubernetes.default", "kubernetes.default"}

// accountKind is what pods run as.
var accountKind = schema.GroupKind{Kind: "ServiceAccount"}

// accounts are the names of the ServiceAccounts among objects: a Component's own.
func accounts(objects []Object) map[string]bool {
	own := map[string]bool{}
	for _, o := range objects {
		if o.Object != nil && o.Object.GroupVersionKind().GroupKind() == accountKind {
			own[o.Object.GetName()] = true
		}
	}
	return own
}

// Mounts returns the paths, in an object that may still hold expressions, of the fields that would have to be false for
// no pod to get a token of its account, and that are absent or true. A field that an expression sets is not among them:
// rendering decides.
func Mounts(object map[string]any) []string {
	c := check{object: &unstructured.Unstructured{Object: object}}
	c.gvk = c.object.GroupVersionKind()
	var paths []string
	add := func(path string, at map[string]any) {
		if value, ok := at[automount]; !ok || value == nil || value == true {
			paths = append(paths, field(path, automount))
		}
	}
	if c.gvk.GroupKind() == accountKind {
		add("", object)
	}
	for _, template := range c.templates() {
		if spec := nested(template.object, "spec"); spec != nil {
			add(field(template.path, "spec"), spec)
		}
	}
	return paths
}

// account holds a ServiceAccount to mounting nothing: pods that others make would run as it, such as those of an operator.
func (c *check) account() {
	if c.gvk.GroupKind() != accountKind || c.policy.Tokens == platformv1alpha1.TokensAllowed {
		return
	}
	if c.object.Object[automount] != false {
		c.mounts(automount)
	}
}

// tokens refuses credentials of the API server in pods, and accounts of others.
func (c *check) tokens(path string, pod *corev1.PodSpec) {
	if c.policy.Tokens == platformv1alpha1.TokensAllowed {
		return
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		c.mounts(path + "." + automount)
	}
	c.runsAs(path+".serviceAccountName", pod.ServiceAccountName)
	c.runsAs(path+".serviceAccount", pod.DeprecatedServiceAccount)
	for i := range pod.Volumes {
		projected := pod.Volumes[i].Projected
		if projected == nil {
			continue
		}
		for j := range projected.Sources {
			if token := projected.Sources[j].ServiceAccountToken; token != nil {
				at := path + ".volumes[" + strconv.Itoa(i) + "].projected.sources[" + strconv.Itoa(j) + "].serviceAccountToken"
				c.projected(at, token, pod)
			}
		}
	}
}

func (c *check) mounts(path string) {
	c.refuse(path, RuleTokens, "it must be false: else pods get a token of the API server, and with it whoever gets into one; set it to false in the template, or ask the platform team for a class with serviceAccountTokens: Allowed where the workload calls the API server")
}

// runsAs refuses the account of another Component: webhooks of clouds give rights by the account's name, also without a
// token.
func (c *check) runsAs(path, name string) {
	if name != "" && name != defaultAccount && !c.own[name] {
		c.refuse(path, RuleAccount, "%q is no ServiceAccount that this Component makes, and its rights are those of others; make one in the template and name it, or leave the field out", text(name))
	}
}

// projected checks a token that is asked for with an audience.
func (c *check) projected(path string, token *corev1.ServiceAccountTokenProjection, pod *corev1.PodSpec) {
	switch {
	case c.policy.Tokens != platformv1alpha1.TokensAudienceBound:
		c.refuse(path, RuleTokens, "the environment's class forbids tokens of ServiceAccounts; take the source out, or ask the platform team for a class with serviceAccountTokens: AudienceBound")
	case token.Audience == "":
		c.refuse(path+".audience", RuleTokens, "a token without audience is one for the API server; name the audience that takes it")
	case forAPIServer(token.Audience):
		c.refuse(path+".audience", RuleTokens, "%q is the API server itself; name the audience that takes the token", text(token.Audience))
	case !c.own[pod.ServiceAccountName]:
		c.refuse(path, RuleTokens, "the token would name an account that all pods of the namespace share; make a ServiceAccount in the template, and name it in serviceAccountName")
	}
}

func forAPIServer(audience string) bool {
	for _, known := range apiAudiences {
		if strings.HasPrefix(strings.ToLower(audience), known) {
			return true
		}
	}
	return false
}
