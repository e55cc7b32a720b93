package spending

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/spending"
)

// FromReservations reads reservations from status. One that cannot be read is left out: nobody but us writes them.
func FromReservations(list []platformv1alpha1.SpendingReservation) []spending.Reservation {
	var all []spending.Reservation
	for i := range list {
		r := &list[i]
		amount, err := estimate.Decimal(r.Monthly)
		if err != nil || r.At == nil {
			continue
		}
		all = append(all, spending.Reservation{
			Place: spending.Place{Component: r.Component, Environment: r.Environment}, Namespace: r.Namespace, Release: r.Release,
			Tier: r.Tier, Monthly: amount, Currency: r.Currency, At: r.At.UTC(),
		})
	}
	return all
}

// ToReservations writes reservations as status keeps them.
func ToReservations(list []spending.Reservation) []platformv1alpha1.SpendingReservation {
	var all []platformv1alpha1.SpendingReservation
	for i := range list {
		r := &list[i]
		all = append(all, platformv1alpha1.SpendingReservation{
			Namespace: r.Namespace, Release: r.Release, Component: r.Component, Environment: r.Environment, Tier: r.Tier,
			Monthly: estimate.Amount(r.Monthly), Currency: r.Currency, At: new(metav1.NewTime(r.At)),
		})
	}
	return all
}

// Kept are the reservations that the Budgets of a home hold for a team without a Team. Of two for one place the newer counts, as it took the
// place of the other.
func Kept(budgets []platformv1alpha1.Budget) []platformv1alpha1.SpendingReservation {
	var all []platformv1alpha1.SpendingReservation
	for i := range budgets {
		for _, r := range budgets[i].Status.Reservations {
			same := slices.IndexFunc(all, func(o platformv1alpha1.SpendingReservation) bool {
				return o.Namespace == r.Namespace && o.Component == r.Component && o.Environment == r.Environment
			})
			switch {
			case same < 0:
				all = append(all, r)
			case all[same].At.Before(r.At):
				all[same] = r
			}
		}
	}
	return all
}

func sameReservations(a, b []platformv1alpha1.SpendingReservation) bool {
	return len(a) == 0 && len(b) == 0 || equality.Semantic.DeepEqual(a, b)
}

func sortByName(budgets []platformv1alpha1.Budget) {
	slices.SortFunc(budgets, func(a, b platformv1alpha1.Budget) int { return cmp.Compare(a.Name, b.Name) })
}
