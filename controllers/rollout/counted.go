package rollout

import (
	"sync"
	"time"
)

// counted remembers when the status of a template was written. The zero value knows none.
type counted struct {
	mu     sync.Mutex
	byName map[string]time.Time
}

// wait returns how long a status that only counts still waits.
func (c *counted) wait(name string, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, ok := c.byName[name]
	if !ok {
		return 0
	}
	return max(last.Add(countEvery).Sub(now), 0)
}

func (c *counted) wrote(name string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byName == nil {
		c.byName = map[string]time.Time{}
	}
	c.byName[name] = now
}

func (c *counted) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byName, name)
}
