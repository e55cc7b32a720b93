package main

import (
	"fmt"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// The metric of requests does not say whose they are. That of priority and fairness counts them by flow
// schema, and a flow schema is chosen by user: so these, one for each kind of request of the manager and
// one for the appliers whom it impersonates, count by user without an audit log. They put requests where
// the schema service-accounts would put them, in the same way, so nothing runs otherwise. Watches and leases alone go
// elsewhere, where nobody waits: so that level has the requests that count, and no others (settle.go).
const (
	flowWatches  = "bench-manager-watches"
	flowLeases   = "bench-manager-leases"
	flowEvents   = "bench-manager-events"
	flowReads    = "bench-manager-reads"
	flowWrites   = "bench-manager-writes"
	flowOthers   = "bench-manager-others"
	flowAppliers = "bench-appliers"
)

// The levels that they are put into.
const (
	levelCounted = "workload-low"
	levelOthers  = "global-default"
)

// flowSchemas are in the order in which they are tried: a request belongs to the first that it matches.
func flowSchemas() []*flowcontrolv1.FlowSchema {
	manager := flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindServiceAccount, ServiceAccount: &flowcontrolv1.ServiceAccountSubject{
		Namespace: platformv1alpha1.SystemNamespace, Name: "towpath-manager",
	}}
	appliers := flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindServiceAccount, ServiceAccount: &flowcontrolv1.ServiceAccountSubject{
		Namespace: platformv1alpha1.ApplierNamespace, Name: flowcontrolv1.NameAll,
	}}
	all := []string{flowcontrolv1.NameAll}
	schemas := []*flowcontrolv1.FlowSchema{
		flowSchema(flowWatches, manager, rule([]string{"watch"}, all, all)),
		flowSchema(flowLeases, manager, rule(all, []string{"coordination.k8s.io"}, []string{"leases"})),
		flowSchema(flowEvents, manager, rule(all, []string{"", "events.k8s.io"}, []string{"events"})),
		flowSchema(flowReads, manager, rule([]string{"get", "list"}, all, all)),
		flowSchema(flowWrites, manager, rule(all, all, all)),
		flowSchema(flowOthers, manager),
		flowSchema(flowAppliers, appliers, rule(all, all, all)),
	}
	// Paths that are no resources: discovery.
	schemas[5].Spec.Rules[0].NonResourceRules = []flowcontrolv1.NonResourcePolicyRule{{Verbs: all, NonResourceURLs: all}}
	for _, s := range schemas[:2] {
		s.Spec.PriorityLevelConfiguration.Name = levelOthers
	}
	for i, s := range schemas {
		s.Spec.MatchingPrecedence = int32(500 + i)
	}
	return schemas
}

func rule(verbs, groups, resources []string) flowcontrolv1.ResourcePolicyRule {
	return flowcontrolv1.ResourcePolicyRule{
		Verbs: verbs, APIGroups: groups, Resources: resources, Namespaces: []string{flowcontrolv1.NamespaceEvery}, ClusterScope: true,
	}
}

func flowSchema(name string, subject flowcontrolv1.Subject, rules ...flowcontrolv1.ResourcePolicyRule) *flowcontrolv1.FlowSchema {
	return &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: levelCounted},
			DistinguisherMethod:        &flowcontrolv1.FlowDistinguisherMethod{Type: flowcontrolv1.FlowDistinguisherMethodByUserType},
			Rules:                      []flowcontrolv1.PolicyRulesWithSubjects{{Subjects: []flowcontrolv1.Subject{subject}, ResourceRules: rules}},
		},
	}
}

// byUser are the requests of Towpath, by who made them.
type byUser struct {
	// ManagerReads and ManagerWrites are the manager's own, without those below.
	ManagerReads  int `json:"managerReads"`
	ManagerWrites int `json:"managerWrites"`
	ManagerEvents int `json:"managerEvents"`
	// ManagerOthers are about no resource: discovery and schemas.
	ManagerOthers int `json:"managerOthers"`
	// Appliers are those that the manager makes as the Environments' service accounts.
	Appliers int `json:"appliers"`
}

func byUserOf(flows map[string]int) byUser {
	return byUser{
		ManagerReads: flows[flowReads], ManagerWrites: flows[flowWrites], ManagerEvents: flows[flowEvents],
		ManagerOthers: flows[flowOthers], Appliers: flows[flowAppliers],
	}
}

// all is how many they are; watches and leases are not among them.
func (b byUser) all() int {
	return b.ManagerReads + b.ManagerWrites + b.ManagerEvents + b.ManagerOthers + b.Appliers
}

func (b byUser) String() string {
	return fmt.Sprintf("manager: %d reads, %d writes, %d events, %d others; appliers: %d",
		b.ManagerReads, b.ManagerWrites, b.ManagerEvents, b.ManagerOthers, b.Appliers)
}
