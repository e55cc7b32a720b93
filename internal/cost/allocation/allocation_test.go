package allocation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/cost/allocation"
)

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// even are prices by which cores and GiB of a node cost the same.
func even(t *testing.T) cost.Scope {
	t.Helper()
	p, err := cost.Load([]byte(`{currency: EUR, cpuCoreHour: 1, memoryGiBHour: 1, gpuHour: {default: 1}}`))
	if err != nil {
		t.Fatal(err)
	}
	return p.In("", nil)
}

// node costs 1 an hour for ten hours: 5 for its four cores, and 5 for its four GiB.
func node(t *testing.T, name string) allocation.Node {
	t.Helper()
	return allocation.Node{
		Name: name, Size: cost.NodeSize{Cores: amount("4"), MemoryGiB: amount("4")}, Hours: amount("10"), PriceHour: amount("1"), Scope: even(t),
	}
}

func sample(key, hours, cpu, cpuUsed, memory, memoryUsed string) allocation.Sample {
	return allocation.Sample{
		Key: key, Node: "n", Hours: amount(hours),
		CPURequested: amount(cpu), CPUUsed: amount(cpuUsed), MemoryRequested: amount(memory), MemoryUsed: amount(memoryUsed),
	}
}

// said is a result in a line: who pays how much of what.
func said(result allocation.Result) string {
	var rows []string
	for key, r := range result {
		row := key
		for _, f := range []struct {
			name  string
			value decimal.Decimal
		}{{"cpu", r.CPU}, {"memory", r.Memory}, {"gpu", r.GPU}, {"storage", r.Storage}, {"lb", r.LoadBalancer}, {"egress", r.Egress}, {"idle", r.Idle}, {"shared", r.Shared}} {
			if !f.value.IsZero() {
				row += fmt.Sprintf(" %s %s", f.name, f.value)
			}
		}
		rows = append(rows, row)
	}
	slices.Sort(rows)
	return strings.Join(rows, "; ")
}

func TestAllocate(t *testing.T) {
	users := func(pairs ...string) map[string]decimal.Decimal {
		m := map[string]decimal.Decimal{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = amount(pairs[i+1])
		}
		return m
	}
	two := []allocation.Sample{sample("a", "10", "1", "0", "1", "0"), sample("b", "10", "1", "0", "2", "0")}
	for name, tc := range map[string]struct {
		in   allocation.Input
		want string
	}{
		"an empty node is idle": {allocation.Input{}, "__idle__ idle 10"},
		"the more of request and usage, sample by sample": {
			// On average of ten hours it uses 1.5 cores, and requests 1: it pays for 2 in five hours, and for 1 in five.
			allocation.Input{Samples: []allocation.Sample{sample("a", "5", "1", "2", "4", "1"), sample("a", "5", "1", "0", "0", "4")}},
			"__idle__ idle 3.125; a cpu 1.875 memory 5",
		},
		"idle as a row of its own":       {allocation.Input{Samples: two}, "__idle__ idle 3.75; a cpu 1.25 memory 1.25; b cpu 1.25 memory 2.5"},
		"idle shared, each resource":     {allocation.Input{Samples: two, Idle: allocation.ShareByNode}, "a cpu 1.25 memory 1.25 idle 1.6666666667; b cpu 1.25 memory 2.5 idle 2.0833333333"},
		"idle shared over all the nodes": {allocation.Input{Samples: two, Idle: allocation.ShareByCluster}, "a cpu 1.25 memory 1.25 idle 1.6666666667; b cpu 1.25 memory 2.5 idle 2.0833333333"},
		"more than the node has: all pay less": {
			allocation.Input{Samples: []allocation.Sample{sample("a", "10", "2", "6", "0", "0"), sample("b", "10", "2", "1", "0", "0")}},
			"__idle__ idle 5; a cpu 3.75; b cpu 1.25",
		},
		"charges, by hours of use": {
			allocation.Input{Samples: two, Charges: []allocation.Charge{
				{Resource: cost.Storage, Amount: amount("1"), Users: users("a", "1", "b", "2")}, {Resource: cost.Storage, Amount: amount("0.5")},
				{Resource: cost.LoadBalancer, Amount: amount("3"), Users: users("b", "9")}, {Resource: cost.Egress, Amount: amount("2"), Users: users("a", "0")},
			}},
			"__idle__ idle 3.75; __unallocated__ egress 2; __unmounted__ storage 0.5; a cpu 1.25 memory 1.25 storage 0.3333333333; b cpu 1.25 memory 2.5 storage 0.6666666667 lb 3",
		},
		"shared evenly":         {allocation.Input{Samples: two, Shared: []allocation.Shared{{Amount: amount("1"), How: allocation.Even}}}, "__idle__ idle 3.75; a cpu 1.25 memory 1.25 shared 0.5; b cpu 1.25 memory 2.5 shared 0.5"},
		"shared proportionally": {allocation.Input{Samples: two, Shared: []allocation.Shared{{Amount: amount("1"), How: allocation.Proportional}}}, "__idle__ idle 3.75; a cpu 1.25 memory 1.25 shared 0.4; b cpu 1.25 memory 2.5 shared 0.6"},
		"shared by percentages": {
			allocation.Input{Samples: two, Shared: []allocation.Shared{{Amount: amount("1"), How: allocation.Fixed, Percent: users("a", "70", "c", "20")}}},
			"__idle__ idle 3.75; __unallocated__ shared 0.1; a cpu 1.25 memory 1.25 shared 0.7; b cpu 1.25 memory 2.5; c shared 0.2",
		},
		"shared by nobody": {allocation.Input{Shared: []allocation.Shared{{Amount: amount("1"), How: allocation.Even}}}, "__idle__ idle 10; __unallocated__ shared 1"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.Nodes = []allocation.Node{node(t, "n")}
			if tc.in.Idle == "" {
				tc.in.Idle = allocation.Separate
			}
			result, err := allocation.Allocate(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := said(result); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// An idle GPU is paid by whom it was given to: nobody else can have it.
func TestAllocate_GPUsAreHadByOne(t *testing.T) {
	n := node(t, "n")
	n.Size.GPUs = amount("2")
	s := sample("a", "5", "0", "0", "0", "0")
	s.GPUs = amount("1")
	result, err := allocation.Allocate(allocation.Input{Nodes: []allocation.Node{n}, Samples: []allocation.Sample{s}, Idle: allocation.Separate})
	if err != nil || said(result) != "__idle__ idle 9.5; a gpu 0.5" {
		t.Errorf("%s, %v", said(result), err)
	}
}

func TestAllocate_RefusesWhatCannotBe(t *testing.T) {
	n := node(t, "n")
	separate := allocation.Separate
	for want, in := range map[string]allocation.Input{
		`idle "": must be Separate, ShareByNode or ShareByCluster`: {},
		`node "n": must be there once`:                             {Idle: separate, Nodes: []allocation.Node{n, n}},
		`a sample of "a" is of node "n", which is not there`:       {Idle: separate, Samples: []allocation.Sample{sample("a", "1", "1", "1", "1", "1")}},
		`a sample of "a" on node "n" is negative`:                  {Idle: separate, Nodes: []allocation.Node{n}, Samples: []allocation.Sample{sample("a", "1", "-1", "1", "1", "1")}},
		`a charge of Storage was used by "a" for -1 hours`:         {Idle: separate, Charges: []allocation.Charge{{Resource: cost.Storage, Users: map[string]decimal.Decimal{"a": amount("-1")}}}},
		`a shared cost is split "": must be`:                       {Idle: separate, Shared: []allocation.Shared{{}}},
		`the share of "a" is -1 percent`:                           {Idle: separate, Shared: []allocation.Shared{{How: allocation.Fixed, Percent: map[string]decimal.Decimal{"a": amount("-1")}}}},
		`the shares of a cost must be 100 percent at most`:         {Idle: separate, Shared: []allocation.Shared{{How: allocation.Fixed, Percent: map[string]decimal.Decimal{"a": amount("60"), "b": amount("41")}}}},
		`node "x": a node must have cores, memory or a GPU`:        {Idle: separate, Nodes: []allocation.Node{{Name: "x", PriceHour: amount("1"), Hours: amount("1"), Scope: n.Scope}}},
	} {
		if _, err := allocation.Allocate(in); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Whoever runs where, and however it is shared: all pay together what all costs, to the last place, and nobody is paid.
func TestAllPayWhatAllCosts(t *testing.T) {
	scope := cost.DefaultPrices().In("", nil)
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 12))
		some := func(most int64) decimal.Decimal { return decimal.New(random.Int64N(most*1000), -3) }
		in := allocation.Input{Idle: []allocation.IdleMode{allocation.Separate, allocation.ShareByNode, allocation.ShareByCluster}[random.IntN(3)]}
		want := decimal.Zero
		for i := range 1 + random.IntN(4) {
			n := allocation.Node{
				Name: fmt.Sprint(i), Size: cost.NodeSize{Cores: some(16).Add(amount("1")), MemoryGiB: some(64), GPUs: decimal.NewFromInt(random.Int64N(3))},
				Hours: some(24), PriceHour: decimal.New(random.Int64N(1_000_000), -6), Scope: scope,
			}
			in.Nodes = append(in.Nodes, n)
			want = want.Add(n.Hours.Mul(n.PriceHour))
		}
		for range random.IntN(30) {
			in.Samples = append(in.Samples, allocation.Sample{
				Key: fmt.Sprint("team-", random.IntN(5)), Node: fmt.Sprint(random.IntN(len(in.Nodes))), Hours: some(5),
				CPURequested: some(4), CPUUsed: some(6), MemoryRequested: some(16), MemoryUsed: some(16), GPUs: decimal.NewFromInt(random.Int64N(2)),
			})
		}
		for range random.IntN(4) {
			users := map[string]decimal.Decimal{}
			for range random.IntN(3) {
				users[fmt.Sprint("team-", random.IntN(5))] = some(24)
			}
			in.Charges = append(in.Charges, allocation.Charge{Resource: []cost.Resource{cost.Storage, cost.LoadBalancer, cost.Egress}[random.IntN(3)], Amount: some(9), Users: users})
			want = want.Add(in.Charges[len(in.Charges)-1].Amount)
		}
		for range random.IntN(4) {
			in.Shared = append(in.Shared, allocation.Shared{
				Amount: decimal.New(random.Int64N(1_000_000_007), -9), How: []allocation.Sharing{allocation.Even, allocation.Proportional, allocation.Fixed}[random.IntN(3)],
				Percent: map[string]decimal.Decimal{"team-1": some(50), "team-9": some(50)},
			})
			want = want.Add(in.Shared[len(in.Shared)-1].Amount)
		}
		result, err := allocation.Allocate(in)
		if err != nil {
			t.Fatal(err)
		}
		if total := result.Total(); !total.Equal(want) {
			t.Fatalf("seed %d: all pay %s, and all costs %s: %s", seed, total, want, said(result))
		}
		for key, row := range result {
			for _, part := range []decimal.Decimal{row.CPU, row.Memory, row.GPU, row.Storage, row.LoadBalancer, row.Egress, row.Idle, row.Shared} {
				if part.IsNegative() {
					t.Fatalf("seed %d: %s is paid: %s", seed, key, said(result))
				}
			}
		}
	}
}

// TestAllocate_SharesRows has the cluster's own pods pay nothing, and those who are there pay it: what the node costs in all, as before.
func TestAllocate_SharesRows(t *testing.T) {
	in := allocation.Input{
		Nodes: []allocation.Node{node(t, "n")}, Idle: allocation.Separate,
		Samples: []allocation.Sample{sample("a", "10", "2", "0", "2", "0"), sample("b", "10", "1", "0", "1", "0"), sample("own", "10", "1", "0", "0", "0")},
	}
	for how, want := range map[allocation.Sharing]string{
		allocation.Proportional: "__idle__ idle 1.25; a cpu 2.5 memory 2.5 shared 0.8333333333; b cpu 1.25 memory 1.25 shared 0.4166666667",
		allocation.Even:         "__idle__ idle 1.25; a cpu 2.5 memory 2.5 shared 0.625; b cpu 1.25 memory 1.25 shared 0.625",
	} {
		in.Shared = []allocation.Shared{{How: how, Of: []string{"own", "nobody"}}}
		result, err := allocation.Allocate(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := said(result); got != want || !result.Total().Equal(amount("10")) {
			t.Errorf("%s: %s sums to %s, want %s", how, got, result.Total(), want)
		}
	}
	in.Shared[0].Amount = amount("1")
	if _, err := allocation.Allocate(in); err == nil || !strings.Contains(err.Error(), "not both") {
		t.Errorf("an amount and rows: %v", err)
	}
}
