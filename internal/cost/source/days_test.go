package source_test

import (
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

func TestDays_AskForWhatIsNotFinalAlone(t *testing.T) {
	today := history.Date(2026, time.November, 29)
	task := &source.Task{Now: today.Time().Add(9 * time.Hour), Backfill: 30, Attribution: source.DefaultAttribution("shop")}
	for name, c := range map[string]struct {
		days   source.Days
		reread int
		want   history.Day
	}{
		"the first time":                     {source.Days{}, 3, today - 30},
		"the next time":                      {source.Days{From: today - 30, Final: today - 3, Basis: "a"}, 1, today - 2},
		"late corrections":                   {source.Days{From: today - 30, Final: today - 3, Basis: "a"}, 10, today - 10},
		"a month that is open":               {source.Days{From: today - 30, Final: today - 20, Basis: "a"}, 3, today - 19},
		"a longer backfill":                  {source.Days{From: today - 10, Final: today - 3, Basis: "a"}, 3, today - 30},
		"after a long while":                 {source.Days{From: today - 300, Final: today - 200, Basis: "a"}, 3, today - 199},
		"longer than days are kept":          {source.Days{From: today - 500, Final: today - 450, Basis: "a"}, 3, today - history.Keep},
		"a month that is open for long":      {source.Days{From: today - 90, Final: today - 35, Basis: "a"}, 3, today - 34},
		"corrections later than a backfill":  {source.Days{From: today - 90, Final: today - 3, Basis: "a"}, 62, today - 62},
		"and before there was any":           {source.Days{From: today - 30, Final: today - 3, Basis: "a"}, 62, today - 30},
		"other settings, an open month":      {source.Days{From: today - 90, Final: today - 35, Basis: "b"}, 3, today - 34},
		"a team, and an open month":          {source.Days{From: today - 90, Final: today - 35, Basis: "a", Unknown: []string{"shop"}}, 3, today - 34},
		"other settings":                     {source.Days{From: today - 30, Final: today - 3, Basis: "b"}, 3, today - 30},
		"a clock that was ahead":             {source.Days{From: today - 30, Final: today + 300, Basis: "a"}, 3, today - 30},
		"a team that exists now":             {source.Days{From: today - 30, Final: today - 3, Basis: "a", Unknown: []string{"shop"}}, 1, today - 30},
		"a team that still does not":         {source.Days{From: today - 30, Final: today - 3, Basis: "a", Unknown: []string{"else"}}, 1, today - 2},
		"a cursor that cannot be read":       {source.ParseDays("{"), 3, today - 30},
		"a cursor that was written and read": {source.ParseDays(source.Days{From: today - 30, Final: today - 3, Basis: "a"}.String()), 1, today - 2},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := c.days.Plan(task, "a", c.reread)
			if from != c.want || to != today {
				t.Errorf("it asks from %s to %s, and should from %s to %s", from, to, c.want, today)
			}
		})
	}
}

func TestDays_RememberWhatIsFinal(t *testing.T) {
	today := history.Date(2026, time.November, 29)
	task := &source.Task{Now: today.Time(), Backfill: 30, Attribution: source.DefaultAttribution("shop")}
	unknown := func(names ...string) source.Teams {
		teams := source.Teams{}
		for _, name := range names {
			teams.Add(name)
		}
		return teams
	}
	d := source.Days{}.Read(task, "a", today-30, today-5, unknown("else"))
	if d.From != today-30 || d.Final != today-5 || len(d.Unknown) != 1 {
		t.Errorf("after the first time: %+v", d)
	}
	if d = d.Read(task, "a", today-4, today-3, unknown()); d.From != today-30 || d.Final != today-3 || len(d.Unknown) != 1 {
		t.Errorf("after the second: %+v", d)
	}
	if d = d.Read(task, "a", today-3, today-7, unknown()); d.Final != today-3 {
		t.Errorf("a day that was final is so no more: %+v", d)
	}
	task.Attribution = source.DefaultAttribution("else")
	if d = d.Read(task, "a", today-30, today-3, unknown()); len(d.Unknown) != 0 {
		t.Errorf("the team exists now: %+v", d)
	}
	late := source.Days{From: today - 30, Final: today + 300, Basis: "a"}
	if late = late.Read(task, "a", today-30, today-3, unknown()); late.Final != today-3 {
		t.Errorf("after a clock that was ahead: %+v", late)
	}
	if d = d.Read(task, "b", today-30, today-10, unknown()); d.Final != today-10 {
		t.Errorf("with other settings: %+v", d)
	}
}
