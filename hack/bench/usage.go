package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of CPU time in /proc. It has been 100 on every Linux for decades.
const ticksPerSecond = 100

// usage is the CPU time that was used until some moment, or between two, in seconds.
type usage struct {
	// by is that of this process and of its children, by the names of their programs.
	by map[string]float64
	// machine is that of everything on the machine.
	machine float64
}

// readUsage looks at this process and those that it started.
func readUsage() (usage, error) {
	u := usage{by: map[string]float64{}}
	machine, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	if u.machine, err = parseMachine(machine); err != nil {
		return u, err
	}
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return u, err
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		p, err := parseProcess(raw)
		if err != nil {
			return u, fmt.Errorf("%s: %w", path, err)
		}
		if p.pid == os.Getpid() || p.parent == os.Getpid() {
			u.by[p.name] += p.cpu
		}
	}
	return u, nil
}

func (u usage) since(before usage) usage {
	used := usage{by: map[string]float64{}, machine: u.machine - before.machine}
	for name, s := range u.by {
		used.by[name] = s - before.by[name]
	}
	return used
}

// others is what everybody else on the machine used.
func (u usage) others() float64 {
	rest := u.machine
	for _, s := range u.by {
		rest -= s
	}
	return max(0, rest)
}

// parseMachine reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
func parseMachine(raw []byte) (float64, error) {
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	ticks := 0.0
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks / ticksPerSecond, nil
}

type processStat struct {
	pid, parent int
	name        string
	cpu         float64
}

// parseProcess reads /proc/<pid>/stat. The name stands in parentheses, and may hold any character.
func parseProcess(raw []byte) (processStat, error) {
	text := string(raw)
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return processStat{}, fmt.Errorf("no name in %q", text)
	}
	rest := strings.Fields(text[end+1:])
	if len(rest) < 13 {
		return processStat{}, fmt.Errorf("too few fields in %q", text)
	}
	p := processStat{name: text[open+1 : end]}
	var user, system int
	for _, f := range []struct {
		to   *int
		text string
	}{{&p.pid, strings.TrimSpace(text[:open])}, {&p.parent, rest[1]}, {&user, rest[11]}, {&system, rest[12]}} {
		var err error
		if *f.to, err = strconv.Atoi(f.text); err != nil {
			return processStat{}, err
		}
	}
	p.cpu = float64(user+system) / ticksPerSecond
	return p, nil
}

// peakMiB is the most memory that a process was resident with since it began.
func peakMiB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parsePeak(raw)
}

func parsePeak(status []byte) (float64, error) {
	for line := range bytes.Lines(status) {
		if value, ok := strings.CutPrefix(string(line), "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in the status of the process")
}
