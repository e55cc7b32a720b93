package showback

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/cost/allocation"
)

// ClusterRow is the row of what bears no team: what a cluster itself runs. All teams share it.
const ClusterRow = "__cluster__"

// ByTeam is a dimension of what runs now alone: a CostReport is one team's.
const ByTeam Dimension = "team"

// UsageSource says where what containers use is from.
type UsageSource string

// The sources of usage.
const (
	UsagePrometheus UsageSource = "Prometheus"
	UsageMetrics    UsageSource = "Metrics"
	UsageRequests   UsageSource = "Requests"
)

// Owner is who pays for what runs.
type Owner struct{ Team, Environment, Component string }

// Key is the owner as a row of an allocation. Labels have no slash.
func (o Owner) Key() string { return o.Team + "/" + o.Environment + "/" + o.Component }

// ownerOf reads a key; false for a row that belongs to nobody.
func ownerOf(key string) (Owner, bool) {
	team, rest, ok := strings.Cut(key, "/")
	environment, component, too := strings.Cut(rest, "/")
	return Owner{team, environment, component}, ok && too
}

// AllocatedRow is what one group would cost in a month. All but Total are parts of it.
type AllocatedRow struct {
	// Kind is Own, OtherTeams, Idle, Unmounted or Unallocated.
	Kind    string          `json:"kind"`
	Group   string          `json:"group,omitempty"`
	CPU     decimal.Decimal `json:"cpu"`
	Memory  decimal.Decimal `json:"memory"`
	GPU     decimal.Decimal `json:"gpu"`
	Storage decimal.Decimal `json:"storage"`
	// LoadBalancer and Egress are those of Services, and of what pods send to the internet.
	LoadBalancer decimal.Decimal `json:"loadBalancer"`
	Egress       decimal.Decimal `json:"egress"`
	// Idle and Shared are its parts of what is nobody's.
	Idle   decimal.Decimal `json:"idle"`
	Shared decimal.Decimal `json:"shared"`
	Total  decimal.Decimal `json:"total"`
}

// allocatedRow is a row of an allocation under its name.
func allocatedRow(kind, group string, r *allocation.Row) AllocatedRow {
	return AllocatedRow{
		Kind: kind, Group: group, CPU: r.CPU, Memory: r.Memory, GPU: r.GPU, Storage: r.Storage, LoadBalancer: r.LoadBalancer, Egress: r.Egress,
		Idle: r.Idle, Shared: r.Shared, Total: r.Total(),
	}
}

// The kinds of rows, in order.
const (
	RowOwn         = "Own"
	RowOtherTeams  = "OtherTeams"
	RowIdle        = "Idle"
	RowUnmounted   = "Unmounted"
	RowUnallocated = "Unallocated"
)

// Allocation is what the nodes of a cluster would cost in a month by what runs now, and for whom. Fields are only ever added within a version.
type Allocation struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Team       string `json:"team,omitempty"`
	By         string `json:"by"`
	Currency   string `json:"currency"`
	// Idle and Shared say how what is nobody's is parted.
	Idle   allocation.IdleMode `json:"idle"`
	Shared allocation.Sharing  `json:"shared"`
	Usage  UsageSource         `json:"usage"`
	Rows   []AllocatedRow      `json:"rows"`
	// Total is what nodes, volumes, load balancers and traffic cost: the rows sum to it exactly.
	Total AllocatedRow `json:"total"`
	Notes []string     `json:"notes,omitempty"`
}

// AllocatedInput is what it is made of.
type AllocatedInput struct {
	Result allocation.Result
	// Team whose parts are told apart; of others there is a sum. Not looked at by team.
	Team string
	By   By
	// Labels are those of the team's Components, by name.
	Labels map[string]map[string]string
}

// OfAllocation groups the rows of an allocation.
func OfAllocation(in AllocatedInput) *Allocation {
	a := &Allocation{Team: in.Team, By: in.By.String()}
	groups, total := map[[2]string]*allocation.Row{}, &allocation.Row{}
	for key, r := range in.Result {
		kind, group := in.place(key)
		at := [2]string{kind, group}
		if groups[at] == nil {
			groups[at] = &allocation.Row{}
		}
		groups[at].Add(r)
		total.Add(r)
	}
	for at, row := range groups {
		a.Rows = append(a.Rows, allocatedRow(at[0], at[1], row))
	}
	a.Total = allocatedRow("", "", total)
	order := []string{RowOwn, RowOtherTeams, RowIdle, RowUnmounted, RowUnallocated}
	slices.SortFunc(a.Rows, func(x, y AllocatedRow) int {
		return cmp.Or(cmp.Compare(slices.Index(order, x.Kind), slices.Index(order, y.Kind)), y.Total.Cmp(x.Total), strings.Compare(x.Group, y.Group))
	})
	return a
}

// FixedShares are the percentages of teams as those of the rows that they have: within a team by what each row pays otherwise, which result
// says, and evenly where that is nothing. A team without rows has one of its own. They sum to the same.
func FixedShares(result allocation.Result, percents map[string]decimal.Decimal) map[string]decimal.Decimal {
	rows := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(result)) {
		if owner, ok := ownerOf(key); ok {
			rows[owner.Team] = append(rows[owner.Team], key)
		}
	}
	shares := map[string]decimal.Decimal{}
	for team, percent := range percents {
		keys := rows[team]
		if len(keys) == 0 {
			keys = []string{Owner{Team: team}.Key()}
		}
		weights := make([]decimal.Decimal, len(keys))
		for i, key := range keys {
			if row := result[key]; row != nil {
				weights[i] = decimal.Max(decimal.Zero, row.Total())
			}
		}
		for i, part := range cost.Split(percent, weights, percentExactness) {
			shares[keys[i]] = part
		}
	}
	return shares
}

// percentExactness is to how many places a percentage of a team is parted.
const percentExactness = 16

// place is the kind and group of a row.
func (in *AllocatedInput) place(key string) (kind, group string) {
	owner, ok := ownerOf(key)
	switch {
	case key == allocation.Idle:
		return RowIdle, ""
	case key == allocation.Unmounted:
		return RowUnmounted, ""
	case !ok:
		return RowUnallocated, ""
	case in.By.Dimension == ByTeam:
		return RowOwn, owner.Team
	case owner.Team != in.Team:
		return RowOtherTeams, ""
	case in.By.Dimension == ByEnvironment:
		return RowOwn, owner.Environment
	case in.By.Dimension == ByLabel:
		return RowOwn, in.Labels[owner.Component][in.By.Label]
	}
	return RowOwn, owner.Component
}

func (r *AllocatedRow) title() string {
	switch r.Kind {
	case RowOtherTeams:
		return "(other teams)"
	case RowIdle:
		return "(idle)"
	case RowUnmounted:
		return "(volumes that no pod mounts)"
	case RowUnallocated:
		return "(nobody's)"
	}
	return cmp.Or(r.Group, "(none)")
}

// cells are the amounts of a row.
func (r *AllocatedRow) cells() []decimal.Decimal {
	return []decimal.Decimal{r.CPU, r.Memory, r.GPU, r.Storage, r.LoadBalancer, r.Egress, r.Idle, r.Shared, r.Total}
}

// cellNames are the names of cells.
var cellNames = []string{"cpu", "memory", "gpu", "storage", "loadBalancer", "egress", "idle", "shared", "total"}

// cellTitles are the names of cells for people.
var cellTitles = []string{"cpu", "memory", "gpu", "storage", "balancers", "egress", "idle", "shared", "total"}

// Records are the rows for CSV, exactly.
func (a *Allocation) Records() [][]string {
	records := [][]string{append([]string{"team", "kind", strings.Split(a.By, "=")[0], "currency"}, cellNames...)}
	for i := range a.Rows {
		record := []string{cell(a.Team), a.Rows[i].Kind, cell(a.Rows[i].Group), a.Currency}
		for _, amount := range a.Rows[i].cells() {
			record = append(record, amount.String())
		}
		records = append(records, record)
	}
	return records
}

// title says what it is of.
func (a *Allocation) title() string {
	who := "all teams"
	if a.By != string(ByTeam) {
		who = "team " + a.Team
	}
	return who + ", a month of what runs now, by " + a.By
}

// rows are the rows as they are shown, the total last. Amounts are rounded, such that each column sums to the total.
func (a *Allocation) rows() [][]string {
	rows := make([][]string, len(a.Rows)+1)
	for i := range a.Rows {
		rows[i] = []string{a.Rows[i].title()}
	}
	rows[len(a.Rows)] = []string{"all"}
	for j, total := range a.Total.cells() {
		amounts := make([]decimal.Decimal, len(a.Rows))
		for i := range a.Rows {
			amounts[i] = a.Rows[i].cells()[j]
		}
		for i, text := range shown(amounts, a.Currency) {
			rows[i] = append(rows[i], text)
		}
		rows[len(a.Rows)] = append(rows[len(a.Rows)], money(total, a.Currency))
	}
	return rows
}

// Table is it for a terminal.
func (a *Allocation) Table() string {
	var b strings.Builder
	b.WriteString(plain(a.title()) + "\n\n")
	head := []string{strings.ToUpper(strings.Split(a.By, "=")[0])}
	for _, name := range cellTitles {
		head = append(head, strings.ToUpper(name))
	}
	head[len(head)-1] += " " + a.Currency
	rows := append([][]string{head}, a.rows()...)
	for i := range rows {
		rows[i][0] = plain(rows[i][0])
	}
	b.WriteString(columns(rows, -1))
	for _, note := range a.Notes {
		b.WriteString("\n" + plain(note))
	}
	return b.String() + "\n"
}

// Markdown is it for a page or a comment.
func (a *Allocation) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Costs of %s\n\n| %s | %s %s |\n|---|%s\n", escaped(a.title()), escaped(strings.Replace(a.By, "=", " ", 1)),
		strings.Join(cellTitles, " | "), a.Currency, strings.Repeat("--:|", len(cellTitles)))
	for _, row := range a.rows() {
		row[0] = escaped(row[0])
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	b.WriteString("\n")
	for _, note := range a.Notes {
		b.WriteString("- " + escaped(note) + "\n")
	}
	return b.String()
}
