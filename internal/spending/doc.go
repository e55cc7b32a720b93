// Package spending says how a team stands to its limits on money, and whether a change stays within them: values in, values out. What a
// day cost comes in as points, what runs as Releases with their estimates, and the day as a value.
//
//	expected = outlook of the days + what Releases add that the settled days do not show + what is reserved
//
// A change is refused where it raises cost and expected, with it, is above a limit. What lowers cost and what brings back what ran
// before is never held up. Amounts of different currencies are never added.
package spending
