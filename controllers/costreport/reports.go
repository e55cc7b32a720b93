package costreport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/showback"
)

// pageSize bounds one answer of the API server.
const pageSize = 500

// existing are the reports that there are in a namespace, or in all where that is empty; as metadata alone.
func (r *Reconciler) existing(ctx context.Context, namespace string) (map[client.ObjectKey]metav1.ObjectMeta, error) {
	found := map[client.ObjectKey]metav1.ObjectMeta{}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(platformv1alpha1.GroupVersion.WithKind("CostReportList"))
	for next := ""; ; {
		if err := r.Live.List(ctx, list, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("listing CostReports: %w", err)
		}
		for i := range list.Items {
			found[client.ObjectKeyFromObject(&list.Items[i])] = list.Items[i].ObjectMeta
		}
		if next = list.GetContinue(); next == "" {
			return found, nil
		}
	}
}

// write writes the reports of a month whose figures are not those that are there.
func (r *Reconciler) write(ctx context.Context, month showback.Month, accounts *showback.Accounts, homes map[string]string, existing map[client.ObjectKey]metav1.ObjectMeta) error {
	var errs []error
	for _, namespace := range slices.Sorted(maps.Keys(homes)) {
		content, err := accounts.Report(homes[namespace])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if content == nil {
			continue
		}
		report := &platformv1alpha1.CostReport{
			TypeMeta: metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "CostReport"},
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: month.String(),
				Labels: map[string]string{"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy, platformv1alpha1.LabelTeam: content.Team},
			},
			Report: *content,
		}
		hash, err := hashOf(report)
		if err != nil {
			return err
		}
		if there, ok := existing[client.ObjectKeyFromObject(report)]; !ok || there.Annotations[platformv1alpha1.AnnotationFigures] != hash {
			report.Annotations = map[string]string{platformv1alpha1.AnnotationFigures: hash}
			if err := r.apply(ctx, report); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		if month == r.month {
			r.written[namespace] = true
		}
	}
	return errors.Join(errs...)
}

// hashOf is another one where a report says something else.
func hashOf(report *platformv1alpha1.CostReport) (string, error) {
	data, err := json.Marshal(struct {
		Labels map[string]string
		Report *platformv1alpha1.CostReportContent
	}{report.Labels, &report.Report})
	if err != nil {
		return "", fmt.Errorf("CostReport %s/%s: %w", report.Namespace, report.Name, err)
	}
	hash := sha256.Sum256(data)
	const enough = 16
	return hex.EncodeToString(hash[:enough]), nil
}

func (r *Reconciler) apply(ctx context.Context, report *platformv1alpha1.CostReport) error {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(report)
	if err != nil {
		return fmt.Errorf("CostReport %s/%s: %w", report.Namespace, report.Name, err)
	}
	u := &unstructured.Unstructured{Object: object}
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	err = r.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), fieldOwner, client.ForceOwnership)
	if err != nil && !gone(err) {
		return fmt.Errorf("writing CostReport %s/%s: %w", report.Namespace, report.Name, err)
	}
	return nil
}

// gone says whether a write failed because the namespace went meanwhile: then there is nobody to tell.
func gone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, "NamespaceTerminating")
}

// prune deletes the reports that are too old, and those that do not belong where they are: of another team than the one at
// home there, or where none is. A month whose figures the history lost keeps its report: it is the only one that still knows.
func (r *Reconciler) prune(ctx context.Context, oldest showback.Month, homes map[string]string, existing map[client.ObjectKey]metav1.ObjectMeta) error {
	var errs []error
	for key := range existing {
		found := existing[key]
		month, err := showback.ParseMonth(key.Name)
		fits := err == nil && month.Begin() >= oldest.Begin()
		if fits && homes[key.Namespace] != "" && homes[key.Namespace] == found.Labels[platformv1alpha1.LabelTeam] {
			continue
		}
		if !found.DeletionTimestamp.IsZero() {
			continue
		}
		report := &platformv1alpha1.CostReport{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		// The version: write may just have put the report of the team that is at home there in its place.
		if err := r.Delete(ctx, report, client.Preconditions{UID: &found.UID, ResourceVersion: &found.ResourceVersion}); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("deleting CostReport %s: %w", key, err))
		}
	}
	return errors.Join(errs...)
}
