// Package apply is the only code that writes rendered objects. It asks internal/guard first, writes
// by server-side apply without a read before, and does so as the service account of the
// Environment, by impersonation: what that account may not do, no template and no tenant can.
//
// It never adopts. An object that exists already and does not bear the same owner-uid label is
// refused by the admission policy towpath-ownership, which sees the old object and the new one in
// one step; Taken tells that refusal from others. Deleting goes by UID.
package apply
